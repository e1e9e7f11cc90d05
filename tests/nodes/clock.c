/* A wrong clock for one host: preloaded by /etc/ld.so.preload, also into set-user-id programs such as sudo. Wall-clock
 * time is OFFSET seconds off; elapsed time stays true. (libfaketime shares state between processes, which a login
 * that changes its user cannot open.) Programs that ask the kernel themselves, as Go's do, keep the true time. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef OFFSET
#define OFFSET (-7200)
#endif

int clock_gettime(clockid_t clock, struct timespec *at)
{
	long failed = syscall(SYS_clock_gettime, clock, at);
	if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		at->tv_sec += OFFSET;
	return (int)failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
	long failed = syscall(SYS_gettimeofday, at, zone);
	if (!failed)
		at->tv_sec += OFFSET;
	return (int)failed;
}

time_t time(time_t *at)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (at)
		*at = now.tv_sec;
	return now.tv_sec;
}
