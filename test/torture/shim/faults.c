#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

// As support/shim.mjs writes and reads it: 64-bit words, little endian.
struct control {
  _Atomic uint64_t stall_us;    // a sync takes so much longer ...
  _Atomic uint64_t stall_ppm;   // ... so often, in a million
  _Atomic uint64_t write_ppm;   // a write fails so often ...
  _Atomic uint64_t write_errno; // ... in this way
  _Atomic uint64_t sync_ppm;
  _Atomic uint64_t sync_errno;
  _Atomic uint64_t limited; // 1: the disk has an end
  _Atomic int64_t room;     // bytes that files may still grow by
  _Atomic uint64_t total;   // size of the disk, for statfs
  // what came of it
  _Atomic uint64_t stalls, write_errors, sync_errors, full_errors, bytes, syncs;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct control *control;

static void map_control(void) {
  const char *path = getenv("TORTURE_SHIM_CONTROL");
  if (path == NULL || path[0] == '\0') return;
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd >= 0) {
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) control = at;
  }
  if (control == NULL) {
    perror(path);
    _exit(97); // a bench that believes in faults that never come would prove nothing
  }
}

static bool controlled(void) {
  pthread_once(&once, map_control);
  return control != NULL;
}

// True `ppm` times in a million (xorshift, one state a thread).
static bool happens(uint64_t ppm) {
  static _Thread_local uint64_t state;
  if (ppm == 0) return false;
  if (state == 0) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    state = (uint64_t)now.tv_nsec * 2654435761u + (uintptr_t)&state + 1;
  }
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state % 1000000 < ppm;
}

// Bytes by which a write would make the file longer; nothing where that cannot be known.
static int64_t growth(int fd, off_t at, size_t bytes) {
  struct stat found;
  if (fstat(fd, &found) != 0) return 0;
  if (at < 0) {
    const int flags = fcntl(fd, F_GETFL);
    at = (flags & O_APPEND) != 0 ? found.st_size : lseek(fd, 0, SEEK_CUR);
  }
  const int64_t over = (int64_t)at + (int64_t)bytes - (int64_t)found.st_size;
  return over > 0 ? over : 0;
}

int fault_of_write(int fd, off_t at, size_t bytes) {
  if (!controlled()) return 0;
  if (happens(control->write_ppm)) {
    control->write_errors++;
    return (int)control->write_errno;
  }
  if (control->limited != 0) {
    const int64_t more = growth(fd, at, bytes);
    if (more > 0) {
      if (atomic_fetch_sub(&control->room, more) < more) {
        atomic_fetch_add(&control->room, more);
        control->full_errors++;
        return ENOSPC;
      }
    }
  }
  control->bytes += bytes;
  return 0;
}

int fault_of_sync(void) {
  if (!controlled()) return 0;
  control->syncs++;
  if (control->stall_us != 0 && happens(control->stall_ppm)) {
    control->stalls++;
    const uint64_t us = control->stall_us;
    struct timespec time = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
    while (nanosleep(&time, &time) != 0 && errno == EINTR) continue;
  }
  if (happens(control->sync_ppm)) {
    control->sync_errors++;
    return (int)control->sync_errno;
  }
  return 0;
}

void fault_gives_back(off_t bytes) {
  if (controlled() && control->limited != 0 && bytes > 0) atomic_fetch_add(&control->room, (int64_t)bytes);
}

bool fault_of_room(uint64_t *room, uint64_t *total) {
  if (!controlled() || control->limited == 0) return false;
  const int64_t left = control->room;
  *room = left < 0 ? 0 : (uint64_t)left;
  *total = control->total;
  return true;
}
