// Event handlers of the caller, and the calls to them. They are called from the library's thread without its lock.
#include <stdlib.h>
#include <string.h>

#include "fake.h"

typedef struct {
  EventKind kind;
  char serial[32];
  Camera *camera;  // one reference, NULL: none
  LogData log;
} Event;

static Handler *handlers[16];
static Event queue[64];
static int queued;
static int caller;  // thread inside a callback

static Event *put(EventKind kind) {
  if (queued == COUNT_OF(queue)) return NULL;
  Event *one = &queue[queued++];
  memset(one, 0, sizeof *one);
  one->kind = kind;
  changed();
  return one;
}

void event(EventKind kind, const char *serial, Camera *camera) {
  Event *one = put(kind);
  if (one == NULL) return;
  snprintf(one->serial, sizeof one->serial, "%s", serial);
  one->camera = camera;
  if (camera != NULL) camera->refs++;
}

void tell_log(int priority, const char *format, ...) {
  if (priority > g.level) return;
  Event *one = put(EVENT_LOG);
  if (one == NULL) return;
  one->log.priority = priority;
  va_list args;
  va_start(args, format);
  vsnprintf(one->log.text, sizeof one->log.text, format, args);
  va_end(args);
}

void events_clear(void) {
  for (int i = 0; i < queued; i++) {
    if (queue[i].camera != NULL) camera_unref(queue[i].camera);
  }
  queued = 0;
}

int handlers_registered(void) {
  int count = 0;
  for (int i = 0; i < COUNT_OF(handlers); i++) count += handlers[i] != NULL && handlers[i]->registered;
  return count;
}

static bool wants(const Handler *handler, const Event *one) {
  if (handler == NULL || !handler->registered) return false;
  if (one->kind == EVENT_LOG) return handler->logs && handler->log != NULL;
  return one->kind == EVENT_ARRIVAL ? handler->arrives && handler->arrival != NULL : handler->removes && handler->removal != NULL;
}

static void call_back(Handler *handler, Event *one) {
  spinHandle first = NULL;
  const bool is_log = one->kind == EVENT_LOG;
  if (is_log) first = handle_new(K_LOGDATA, &one->log, NULL);
  else if (g.set.version[0] < 3) first = (spinHandle)(uintptr_t)strtoull(one->serial, NULL, 10);
  else if (one->camera != NULL) first = handle_new(K_CAMERA, one->camera, one->camera);
  const spinDeviceCallback changed_device = one->kind == EVENT_ARRIVAL ? handler->arrival : handler->removal;
  void *user = handler->user;
  handler->running = true;
  caller = thread_number();
  log_line("\"callback\":\"%s\",\"serial\":\"%s\"", is_log ? "log" : one->kind == EVENT_ARRIVAL ? "arrival" : "removal", one->serial);
  pthread_mutex_unlock(&g.lock);
  if (is_log) handler->log(first, user);
  else changed_device(first, user);
  pthread_mutex_lock(&g.lock);
  caller = 0;
  handler->running = false;
  if (is_log || g.set.version[0] >= 3) handle_free(first);
  changed();
}

// One event to all who wait for it; false: there was none.
bool run_event(void) {
  if (queued == 0) return false;
  Event one = queue[0];
  memmove(queue, queue + 1, (size_t)--queued * sizeof one);
  for (int i = 0; i < COUNT_OF(handlers); i++) {
    if (wants(handlers[i], &one)) call_back(handlers[i], &one);
  }
  if (one.camera != NULL) camera_unref(one.camera);
  return true;
}

static int create(Call *c, spinHandle *made, Handler model) {
  if (!out(c, made)) return end(c);
  int place = 0;
  while (place < COUNT_OF(handlers) && handlers[place] != NULL) place++;
  Handler *handler = place < COUNT_OF(handlers) ? malloc(sizeof *handler) : NULL;
  if (handler == NULL) {
    fail(c, SPIN_RESOURCE_EXHAUSTED, "No room for another event handler");
    return end(c);
  }
  *handler = model;
  handlers[place] = handler;
  *made = handle_new(K_HANDLER, handler, NULL);
  return end(c);
}

// A callback that runs is waited for, unless it is the one that calls.
static void wait_idle(const Handler *handler) {
  while (handler->running && caller != thread_number() && !g.closing) wait_change();
}

static int destroy(Call *c, spinHandle handle) {
  Handler *handler = object_get(c, handle, K_HANDLER);
  if (handler == NULL) return end(c);
  if (handler->registered) {
    violation("order", "%s while the handler is registered", c->name);
    fail(c, SPIN_RESOURCE_IN_USE, "The event handler is still registered");
    return end(c);
  }
  wait_idle(handler);
  for (int i = 0; i < COUNT_OF(handlers); i++) {
    if (handlers[i] == handler) handlers[i] = NULL;
  }
  handle_free(handle);
  free(handler);
  return end(c);
}

static int attach(Call *c, spinHandle system, spinHandle handle, bool yes) {
  if (object_get(c, system, K_SYSTEM) == NULL) return end(c);
  Handler *handler = object_get(c, handle, K_HANDLER);
  if (handler == NULL) return end(c);
  if (handler->registered == yes) {
    fail(c, SPIN_INVALID_PARAMETER, yes ? "The event handler is registered already" : "The event handler is not registered");
    return end(c);
  }
  handler->registered = yes;
  if (!yes) wait_idle(handler);
  return end(c);
}

SPIN spinInterfaceEventHandlerCreate(spinHandle *handler, spinDeviceCallback arrival, spinDeviceCallback removal, void *user) {
  CALL(c);
  return create(&c, handler, (Handler){.arrives = true, .removes = true, .arrival = arrival, .removal = removal, .user = user});
}
SPIN spinDeviceArrivalEventHandlerCreate(spinHandle *handler, spinDeviceCallback arrival, void *user) {
  CALL(c);
  return create(&c, handler, (Handler){.arrives = true, .arrival = arrival, .user = user});
}
SPIN spinDeviceRemovalEventHandlerCreate(spinHandle *handler, spinDeviceCallback removal, void *user) {
  CALL(c);
  return create(&c, handler, (Handler){.removes = true, .removal = removal, .user = user});
}
SPIN spinLogEventHandlerCreate(spinHandle *handler, spinLogCallback log, void *user) {
  CALL(c);
  return create(&c, handler, (Handler){.logs = true, .log = log, .user = user});
}

#define DESTROY(name)             \
  SPIN name(spinHandle handler) { \
    CALL(c);                      \
    return destroy(&c, handler);  \
  }
DESTROY(spinInterfaceEventHandlerDestroy)
DESTROY(spinDeviceArrivalEventHandlerDestroy)
DESTROY(spinDeviceRemovalEventHandlerDestroy)
DESTROY(spinLogEventHandlerDestroy)

#define ATTACH(name, yes)                            \
  SPIN name(spinHandle system, spinHandle handler) { \
    CALL(c);                                         \
    return attach(&c, system, handler, yes);         \
  }
ATTACH(spinSystemRegisterInterfaceEventHandler, true)
ATTACH(spinSystemUnregisterInterfaceEventHandler, false)
ATTACH(spinSystemRegisterDeviceArrivalEventHandler, true)
ATTACH(spinSystemUnregisterDeviceArrivalEventHandler, false)
ATTACH(spinSystemRegisterDeviceRemovalEventHandler, true)
ATTACH(spinSystemUnregisterDeviceRemovalEventHandler, false)
ATTACH(spinSystemRegisterLogEventHandler, true)
ATTACH(spinSystemUnregisterLogEventHandler, false)

SPIN spinSystemUnregisterAllLogEventHandlers(spinHandle system) {
  CALL(c);
  if (object_get(&c, system, K_SYSTEM) != NULL) {
    for (int i = 0; i < COUNT_OF(handlers); i++) {
      if (handlers[i] != NULL && handlers[i]->logs) handlers[i]->registered = false;
    }
  }
  return end(&c);
}

SPIN spinLogDataGetCategoryName(spinHandle data, char *text, size_t *length) {
  CALL(c);
  if (object_get(&c, data, K_LOGDATA) != NULL) put_text(&c, text, length, "GenTL");
  return end(&c);
}
SPIN spinLogDataGetPriority(spinHandle data, int64_t *priority) {
  CALL(c);
  const LogData *log = object_get(&c, data, K_LOGDATA);
  if (log != NULL && out(&c, priority)) *priority = log->priority;
  return end(&c);
}
SPIN spinLogDataGetPriorityName(spinHandle data, char *text, size_t *length) {
  CALL(c);
  const LogData *log = object_get(&c, data, K_LOGDATA);
  if (log != NULL) put_text(&c, text, length, log->priority <= SPIN_LOG_ERROR ? "ERROR" : log->priority <= SPIN_LOG_WARN ? "WARN" : "INFO");
  return end(&c);
}
SPIN spinLogDataGetLogMessage(spinHandle data, char *text, size_t *length) {
  CALL(c);
  const LogData *log = object_get(&c, data, K_LOGDATA);
  if (log != NULL) put_text(&c, text, length, log->text);
  return end(&c);
}
SPIN spinLogDataGetTimestamp(spinHandle data, char *text, size_t *length) {
  CALL(c);
  char now[32];
  snprintf(now, sizeof now, "%.3f", (double)real_now() / 1e9);
  if (object_get(&c, data, K_LOGDATA) != NULL) put_text(&c, text, length, now);
  return end(&c);
}
