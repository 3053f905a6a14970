#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shim.h"

// In front of each record; little endian, as replay.mjs reads it.
struct head {
  uint32_t kind;
  uint32_t name_bytes;
  uint32_t data_bytes;
  uint32_t unused;
  uint64_t where;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int file = -1;

static void open_record(void) {
  const char *path = getenv("TORTURE_SHIM_RECORD");
  if (path == NULL || path[0] == '\0') return;
  file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) {
    perror(path);
    _exit(97); // a recording with a hole would prove nothing
  }
}

bool record_on(void) {
  pthread_once(&once, open_record);
  return file >= 0;
}

void record_begin(void) {
  if (record_on()) pthread_mutex_lock(&lock);
}

void record_end(void) {
  if (file >= 0) pthread_mutex_unlock(&lock);
}

void record_op(char kind, const char *name, uint64_t where, const void *data, uint32_t bytes) {
  if (file < 0) return;
  struct head head = {.kind = (uint32_t)kind, .name_bytes = (uint32_t)strlen(name), .data_bytes = bytes, .where = where};
  struct iovec all[3] = {
      {.iov_base = &head, .iov_len = sizeof head},
      {.iov_base = (void *)name, .iov_len = head.name_bytes},
      {.iov_base = (void *)data, .iov_len = bytes},
  };
  const ssize_t whole = (ssize_t)(sizeof head + head.name_bytes + bytes);
  // By the system call: the C library's functions are this shim's own.
  if (syscall(SYS_writev, file, all, 3) != whole) {
    static const char said[] = "the recording cannot be written: is the disk full?\n";
    (void)!syscall(SYS_write, 2, said, sizeof said - 1);
    _exit(97); // the same: no recording rather than one with a hole
  }
}

uint64_t record_token(void) {
  static _Atomic uint32_t last;
  return ((uint64_t)getpid() << 32) | ++last;
}
