// JSON lines of every call, exposure and event, in order. Written under the lock.
#include <stdlib.h>
#include <string.h>

#include "fake.h"

static FILE *file;
static int64_t number;

void log_open(const char *path) {
  log_close();
  file = fopen(path, "ae");
  if (file == NULL) fprintf(stderr, "fake camera library: the log %s cannot be opened\n", path);
}

void log_close(void) {
  if (file != NULL) fclose(file);
  file = NULL;
  number = 0;
}

bool log_on(void) { return file != NULL; }

const char *quoted(const char *text, char *space, size_t size) {
  size_t at = 0;
  space[at++] = '"';
  for (const unsigned char *c = (const unsigned char *)text; *c != 0 && at + 8 < size; c++) {
    if (*c == '"' || *c == '\\') {
      space[at++] = '\\';
      space[at++] = (char)*c;
    } else if (*c < 0x20) {
      at += (size_t)snprintf(space + at, size - at, "\\u%04x", *c);
    } else {
      space[at++] = (char)*c;
    }
  }
  space[at++] = '"';
  space[at] = 0;
  return space;
}

static void head(void) { fprintf(file, "{\"n\":%lld,\"ms\":%.3f,\"thread\":%d,", (long long)++number, (double)real_now() / 1e6, thread_number()); }

void log_line(const char *format, ...) {
  if (file == NULL) return;
  head();
  va_list args;
  va_start(args, format);
  vfprintf(file, format, args);
  va_end(args);
  fputs("}\n", file);
  fflush(file);
}

void log_call(const Call *call) {
  char space[260];
  head();
  fprintf(file, "\"call\":\"%s\"", call->name);
  if (call->on[0] != 0) fprintf(file, ",\"on\":\"%s\"", call->on);
  if (call->what[0] != 0) fprintf(file, ",\"what\":%s", quoted(call->what, space, sizeof space));
  fprintf(file, ",\"rc\":%d,\"us\":%.1f}\n", call->rc, (double)(real_now() - call->began) / 1e3);
  fflush(file);
}
