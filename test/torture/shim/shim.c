// The functions of the C library by which Node.js, SQLite and libvips write to files. Each does what it does, once the faults have had
// their say, and is written down when it was done on a watched file.
#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

// The next function of that name after this library.
#define REAL(name) ((__typeof__(&name))next_of(#name))
static void *next_of(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found == NULL) abort();
  return found;
}

static int failed(int error) {
  errno = error;
  return -1;
}

static off_t place_of(int fd) {
  struct stat found;
  if ((fcntl(fd, F_GETFL) & O_APPEND) != 0 && fstat(fd, &found) == 0) return found.st_size;
  return lseek(fd, 0, SEEK_CUR);
}

// A write at `at`, or at the descriptor's place where at < 0; written down are the bytes that went out.
static ssize_t write_watched(int fd, const char *name, const void *data, size_t bytes, off_t at) {
  static __typeof__(&write) real_write;
  static __typeof__(&pwrite64) real_pwrite;
  if (real_write == NULL) real_write = REAL(write);
  if (real_pwrite == NULL) real_pwrite = REAL(pwrite64);
  record_begin();
  const int error = fault_of_write(fd, at, bytes);
  ssize_t done = -1;
  int after = error;
  if (error == 0) {
    const off_t place = at < 0 && record_on() ? place_of(fd) : at;
    done = at < 0 ? real_write(fd, data, bytes) : real_pwrite(fd, data, bytes, at);
    after = errno;
    if (done > 0) record_op(OP_WRITE, name, (uint64_t)place, data, (uint32_t)done);
  }
  record_end();
  errno = after;
  return done;
}

ssize_t write(int fd, const void *data, size_t bytes) {
  static __typeof__(&write) real;
  char name[WATCHED_PATH];
  if (real == NULL) real = REAL(write);
  if (!watched_fd(fd, name)) return real(fd, data, bytes);
  return write_watched(fd, name, data, bytes, -1);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at) {
  static __typeof__(&pwrite64) real;
  char name[WATCHED_PATH];
  if (real == NULL) real = REAL(pwrite64);
  if (!watched_fd(fd, name)) return real(fd, data, bytes, at);
  return write_watched(fd, name, data, bytes, at);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at) { return pwrite64(fd, data, bytes, at); }

// Several pieces in one call: the first of them only. Every caller has to go on after a short write.
ssize_t writev(int fd, const struct iovec *pieces, int count) {
  static __typeof__(&writev) real;
  char name[WATCHED_PATH];
  if (real == NULL) real = REAL(writev);
  if (count < 1 || !watched_fd(fd, name)) return real(fd, pieces, count);
  return write_watched(fd, name, pieces[0].iov_base, pieces[0].iov_len, -1);
}

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t at) {
  static __typeof__(&pwritev64) real;
  char name[WATCHED_PATH];
  if (real == NULL) real = REAL(pwritev64);
  if (count < 1 || !watched_fd(fd, name)) return real(fd, pieces, count, at);
  return write_watched(fd, name, pieces[0].iov_base, pieces[0].iov_len, at);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t at) { return pwritev64(fd, pieces, count, at); }

int ftruncate64(int fd, off64_t size) {
  static __typeof__(&ftruncate64) real;
  char name[WATCHED_PATH];
  if (real == NULL) real = REAL(ftruncate64);
  if (!watched_fd(fd, name)) return real(fd, size);
  struct stat found = {0};
  (void)!fstat(fd, &found);
  record_begin();
  const int done = real(fd, size);
  const int after = errno;
  if (done == 0) {
    record_op(OP_TRUNCATE, name, (uint64_t)size, NULL, 0);
    fault_gives_back(found.st_size - (off_t)size);
  }
  record_end();
  errno = after;
  return done;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

// What was written while the sync ran is not promised: its beginning is written down too.
static int sync_watched(int fd, const char *name, int (*real)(int)) {
  const uint64_t token = record_token();
  record_begin();
  record_op(OP_SYNC_BEGUN, name, token, NULL, 0);
  record_end();
  const int error = fault_of_sync();
  if (error != 0) return failed(error);
  const int done = real(fd);
  const int after = errno;
  if (done == 0) {
    record_begin();
    record_op(OP_SYNCED, name, token, NULL, 0);
    record_end();
  }
  errno = after;
  return done;
}

int fsync(int fd) {
  static __typeof__(&fsync) real;
  char name[WATCHED_PATH];
  if (real == NULL) real = REAL(fsync);
  return watched_fd(fd, name) ? sync_watched(fd, name, real) : real(fd);
}

int fdatasync(int fd) {
  static __typeof__(&fdatasync) real;
  char name[WATCHED_PATH];
  if (real == NULL) real = REAL(fdatasync);
  return watched_fd(fd, name) ? sync_watched(fd, name, real) : real(fd);
}

// Paths are compared as they are given: the bench gives absolute ones.
int unlink(const char *path) {
  static __typeof__(&unlink) real;
  char name[WATCHED_PATH];
  if (real == NULL) real = REAL(unlink);
  if (!watched_path(path, name)) return real(path);
  struct stat found = {0};
  (void)!stat(path, &found);
  record_begin();
  const int done = real(path);
  const int after = errno;
  if (done == 0) {
    record_op(OP_UNLINK, name, 0, NULL, 0);
    fault_gives_back(found.st_size);
  }
  record_end();
  errno = after;
  return done;
}

int rename(const char *from, const char *to) {
  static __typeof__(&rename) real;
  char name[WATCHED_PATH];
  char target[WATCHED_PATH];
  if (real == NULL) real = REAL(rename);
  if (!watched_path(from, name) || !watched_path(to, target)) return real(from, to);
  record_begin();
  const int done = real(from, to);
  const int after = errno;
  if (done == 0) record_op(OP_RENAME, name, 0, target, (uint32_t)strlen(target));
  record_end();
  errno = after;
  return done;
}

int statfs64(const char *path, struct statfs64 *found) {
  static __typeof__(&statfs64) real;
  char name[WATCHED_PATH];
  if (real == NULL) real = REAL(statfs64);
  const int done = real(path, found);
  uint64_t room, total;
  // The folder itself, too: with a slash and a dot it is below itself.
  char inside[PATH_MAX];
  if (strlen(path) + 3 > sizeof inside) return done;
  strcpy(inside, path);
  strcat(inside, "/.");
  if (done == 0 && watched_path(inside, name) && fault_of_room(&room, &total)) {
    const uint64_t block = (uint64_t)found->f_bsize;
    found->f_blocks = total / block;
    found->f_bavail = room / block;
    found->f_bfree = room / block;
  }
  return done;
}
