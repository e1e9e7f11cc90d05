//! Lines in klog's format on standard error, from where journald or the container log takes them.

use time::OffsetDateTime;

/// `E0809 13:46:38.476674   16214 reflector.go:125] message`
pub fn line(level: char, place: &str, message: &str) {
    let t = OffsetDateTime::now_utc();
    eprintln!(
        "{level}{:02}{:02} {:02}:{:02}:{:02}.{:06} {:>7} {place}] {message}",
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
        t.microsecond(),
        std::process::id()
    );
}

pub fn info(place: &str, message: &str) {
    line('I', place, message);
}

pub fn error(place: &str, message: &str) {
    line('E', place, message);
}

pub fn fatal(place: &str, message: &str) {
    line('F', place, message);
}
