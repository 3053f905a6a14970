#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim.h"

static const char *folder(void) {
  static const char *dir;
  if (dir == NULL) {
    const char *given = getenv("TORTURE_SHIM_DIR");
    dir = given == NULL ? "" : given;
  }
  return dir;
}

bool watched_path(const char *path, char *name) {
  const char *dir = folder();
  const size_t length = strlen(dir);
  if (length == 0 || path == NULL || strncmp(path, dir, length) != 0 || path[length] != '/') return false;
  const char *below = path + length + 1;
  const size_t bytes = strlen(below);
  // SQLite's shared memory is no file to a crash: it is made anew from the write-ahead log.
  if (bytes == 0 || bytes >= WATCHED_PATH || (bytes > 4 && strcmp(below + bytes - 4, "-shm") == 0)) return false;
  memcpy(name, below, bytes + 1);
  return true;
}

bool watched_fd(int fd, char *name) {
  if (folder()[0] == '\0') return false;
  char link[64];
  char path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t bytes = readlink(link, path, sizeof path - 1);
  if (bytes <= 0) return false;
  path[bytes] = '\0';
  return watched_path(path, name);
}
