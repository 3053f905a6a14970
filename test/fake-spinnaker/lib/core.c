// What every call of the library goes through: lock, thread rule, scripted failures, last error, log, violations.
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fake.h"

Fake g = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct {
  int code;
  char message[400], full[600], function[64];
} last;

static struct {
  char kind[16], text[200];
  int64_t count;
} found[64];
static int found_count;
static int64_t found_total;
static bool started;

int thread_number(void) {
  static _Thread_local int mine;
  if (mine == 0) mine = (int)syscall(SYS_gettid);
  return mine;
}

// The lock's condition needs the monotonic clock, and the script is read once: with the first call, whichever that is.
void ensure_started(void) {
  if (started) return;
  started = true;
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&g.changed, &attributes);
  pthread_condattr_destroy(&attributes);
  const char *wrong = start_up();
  if (wrong != NULL) fprintf(stderr, "fake camera library: %s\n", wrong);
}

void violation(const char *kind, const char *format, ...) {
  char text[200], space[440];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  found_total++;
  int i = 0;
  while (i < found_count && (strcmp(found[i].kind, kind) != 0 || strcmp(found[i].text, text) != 0)) i++;
  if (i == found_count && found_count < COUNT_OF(found)) {
    snprintf(found[i].kind, sizeof found[i].kind, "%s", kind);
    snprintf(found[i].text, sizeof found[i].text, "%s", text);
    found[i].count = 0;
    found_count++;
  }
  if (i < found_count) found[i].count++;
  log_line("\"violation\":\"%s\",\"text\":%s", kind, quoted(text, space, sizeof space));
  if (g.set.abort_on_violation) {
    fprintf(stderr, "fake camera library: %s: %s\n", kind, text);
    abort();
  }
}

int violation_count(void) { return (int)found_total; }

void clear_violations(void) {
  found_count = 0;
  found_total = 0;
}

int violations_json(char *space, size_t size) {
  size_t at = 0;
  char text[440];
  for (int i = 0; i < found_count && at + 500 < size; i++) {
    at += (size_t)snprintf(space + at, size - at, "%s{\"kind\":\"%s\",\"count\":%lld,\"text\":%s}", i ? "," : "", found[i].kind,
                           (long long)found[i].count, quoted(found[i].text, text, sizeof text));
  }
  space[at] = 0;
  return (int)at;
}

void fail(Call *call, int code, const char *format, ...) {
  char text[300];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  call->rc = code;
  last.code = code;
  snprintf(last.function, sizeof last.function, "%s", call->name);
  if (g.overwrite_error) {
    // The text is shared by all threads of a process: another one failed right after.
    g.overwrite_error = false;
    snprintf(last.message, sizeof last.message, "Spinnaker: Failed waiting for EventData on EVENT_REMOTE_DEVICE event. [-1011]");
  } else {
    snprintf(last.message, sizeof last.message, "Spinnaker: %s [%d]", text, code);
  }
  snprintf(last.full, sizeof last.full, "%s in %s", last.message, call->name);
}

void note(Call *call, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(call->what, sizeof call->what, format, args);
  va_end(args);
}

bool out(Call *call, const void *pointer) {
  if (pointer == NULL && call->rc == 0) fail(call, SPIN_INVALID_PARAMETER, "Parameter is NULL");
  return pointer != NULL && call->rc == 0;
}

void put_text(Call *call, char *buffer, size_t *length, const char *text) {
  if (!out(call, length)) return;
  const size_t need = strlen(text) + 1;
  const size_t room = *length;
  *length = need;
  if (buffer == NULL) {
    if (room != 0) fail(call, SPIN_INVALID_PARAMETER, "Parameter is NULL");
    return;
  }
  if (room < need) {
    fail(call, SPIN_BUFFER_TOO_SMALL, "The provided buffer is too small: %zu bytes, %zu are needed.", room, need);
    return;
  }
  memcpy(buffer, text, need);
}

static bool needs_no_instance(const char *name) {
  return strncmp(name, "spinErrorGetLast", 16) == 0 || strcmp(name, "spinSystemGetInstance") == 0 ||
         strcmp(name, "spinImageGetStatusDescription") == 0;
}

bool begin(Call *call, const char *name) {
  memset(call, 0, sizeof *call);
  call->name = name;
  pthread_mutex_lock(&g.lock);
  ensure_started();
  call->began = real_now();
  g.calls++;
  const int me = thread_number();
  if (g.set.threads == THREADS_ONE && g.owner != 0 && g.owner != me) violation("thread", "%s from another thread than the one that took the system", name);
  if (g.set.threads != THREADS_ANY && g.inside != 0 && g.inside != me) violation("thread", "%s while another thread is in a call", name);
  if (g.inside == 0) g.inside = me;
  if (!needs_no_instance(name) && g.instances == 0) {
    violation("order", "%s without a system", name);
    call->gone = true;
    fail(call, SPIN_NOT_INITIALIZED, "The system is not initialized.");
    return false;
  }
  call->gone = call_rule(call);
  return !call->gone;
}

int end(Call *call) {
  if (g.inside == thread_number()) g.inside = 0;
  if (log_on()) log_call(call);
  pthread_mutex_unlock(&g.lock);
  return call->rc;
}

SPIN spinErrorGetLast(int *code) {
  CALL(c);
  if (out(&c, code)) *code = last.code;
  return end(&c);
}
SPIN spinErrorGetLastLineNumber(int64_t *line) {
  CALL(c);
  if (out(&c, line)) *line = 0;
  return end(&c);
}
#define LAST(name, value)                   \
  SPIN name(char *text, size_t *length) {   \
    CALL(c);                                \
    put_text(&c, text, length, value);      \
    return end(&c);                         \
  }
LAST(spinErrorGetLastMessage, last.message)
LAST(spinErrorGetLastFullMessage, last.full)
LAST(spinErrorGetLastFunctionName, last.function)
LAST(spinErrorGetLastFileName, "")
