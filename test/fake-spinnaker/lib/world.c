// The library's own thread: cables, delayed commands, edges on the inputs, and the callbacks that follow.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

typedef enum { NOTHING, COMMAND, REMOVED, ARRIVED, PLUGGED, EDGE } What;
typedef struct {
  What what;
  int64_t when;
  int64_t exposure;  // instead of a time, -1: none
  Device *device;
  char command[160];
  // of a generator of edges
  int line, bounces;
  int64_t left;  // -1: no end
  double period_ms, jitter_ms, bounce_us;
  int64_t base;
  uint32_t draws;
} Timer;

static Timer timers[64];
static pthread_t thread;
static bool running, stopping;

static Timer *new_timer(What what, int64_t when, Device *device) {
  for (int i = 0; i < COUNT_OF(timers); i++) {
    if (timers[i].what != NOTHING) continue;
    timers[i] = (Timer){.what = what, .when = when, .exposure = -1, .device = device};
    changed();
    return &timers[i];
  }
  return NULL;
}

static bool command_timer(int64_t when, int64_t exposure, const char *command) {
  Timer *timer = new_timer(COMMAND, when, NULL);
  if (timer == NULL) return false;
  timer->exposure = exposure;
  snprintf(timer->command, sizeof timer->command, "%s", command);
  return true;
}
bool later(int64_t when, const char *command) { return command_timer(when, -1, command); }
bool at_exposure(int64_t exposure, const char *command) { return command_timer(FOREVER, exposure, command); }

void exposure_made(int64_t exposure) {
  for (int i = 0; i < COUNT_OF(timers); i++) {
    if (timers[i].what == COMMAND && timers[i].exposure >= 0 && timers[i].exposure <= exposure) timers[i].when = fake_now();
  }
}

bool edges(Device *device, int line, double period_ms, double jitter_ms, int64_t count, int bounces, double bounce_us) {
  const int64_t now = fake_now();
  Timer *timer = new_timer(EDGE, now, device);
  if (timer == NULL) return false;
  timer->line = line;
  timer->period_ms = period_ms;
  timer->jitter_ms = jitter_ms;
  timer->left = count;
  timer->bounces = bounces;
  timer->bounce_us = bounce_us;
  timer->base = now;
  timer->draws = 1;
  return true;
}

void edges_stop(void) {
  for (int i = 0; i < COUNT_OF(timers); i++) {
    if (timers[i].what == EDGE) timers[i].what = NOTHING;
  }
}

void world_clear(void) { memset(timers, 0, sizeof timers); }

void power_up(Device *device, bool factory) {
  if (factory) {
    reset_states(&device_map, device->sets[0]);
    NodeState *s = device->sets[0];
    s[D_Width].at[0].i = g.set.sensor_width / 16 * 16;
    s[D_Height].at[0].i = g.set.sensor_height / 2 * 2;
    // Line1 and Line2 rest as they leave the factory: not driven, so that a relay on them has let go.
    memcpy(device->sets[1], s, sizeof device->sets[1]);
    memcpy(device->sets[2], s, sizeof device->sets[2]);
  }
  const int64_t start_set = device->sets[0][D_UserSetDefault].at[0].i;
  memcpy(device->nodes, device->sets[start_set], sizeof device->nodes);
  device->nodes[D_UserSetSelector].at[0].i = start_set;
  device->power_up = fake_now() - 2000 * MS;
  device->busy_until = device->latched = 0;
  memset(device->counter, 0, sizeof device->counter);
  device->exp_start = device->exp_end = device->readout_end = device->transfer_end = 0;
  lines_changed(device);
}

void unplug(Device *device) {
  if (!device->present) return;
  device->present = false;
  log_line("\"event\":\"unplug\",\"serial\":\"%s\"", device->serial);
  lines_changed(device);
  if (device->camera != NULL) {
    device->camera->cut = true;
    device->camera->timeouts_left = (int)g.set.unplug_timeouts;
  }
  new_timer(REMOVED, fake_now() + g.set.removal_ms * MS, device);
  changed();
}

void replug(Device *device, const char *serial) {
  if (device->present) return;
  if (serial != NULL) snprintf(device->serial, sizeof device->serial, "%s", serial);
  device->present = true;
  log_line("\"event\":\"replug\",\"serial\":\"%s\"", device->serial);
  power_up(device, false);
  new_timer(ARRIVED, fake_now() + g.set.arrival_ms * MS, device);
}

void replug_after(Device *device, int64_t ms) { new_timer(PLUGGED, fake_now() + ms * MS, device); }

// The library notices that a device has gone: what it made of it ends, whoever still refers to it.
static void removed(Device *device) {
  Camera *camera = device->camera;
  if (camera != NULL && camera->cut) {
    camera->valid = false;
    device->camera = NULL;
    camera_unref(camera);
  } else if (device->present) {
    return;
  }
  if (device->detected) event(EVENT_REMOVAL, device->serial, camera);
  device->detected = false;
  log_line("\"event\":\"removed\",\"serial\":\"%s\"", device->serial);
}

static void arrived(Device *device) {
  if (device->camera != NULL && device->camera->cut) removed(device);
  if (!device->present || device->detected) return;
  device->detected = true;
  log_line("\"event\":\"arrived\",\"serial\":\"%s\"", device->serial);
  event(EVENT_ARRIVAL, device->serial, NULL);
}

static double draw(Timer *timer) {
  timer->draws = timer->draws * 1664525u + 1013904223u;
  return (double)(timer->draws >> 8) / (1 << 24);
}

static void edge(Timer *timer) {
  Device *device = timer->device;
  const int line = timer->line, bounces = timer->bounces;
  const int64_t when = timer->when;
  if (timer->left > 0) timer->left--;
  if (timer->left == 0) {
    timer->what = NOTHING;
  } else {
    timer->base += (int64_t)(timer->period_ms * 1e6);
    timer->when = timer->base + (int64_t)((draw(timer) - 0.5) * 2e6 * timer->jitter_ms);
  }
  trigger_input(device, line, when);
  for (int n = 1; n <= bounces; n++) trigger_input(device, line, when + (int64_t)(n * timer->bounce_us * 1e3));
}

static void run_timer(Timer *timer) {
  if (timer->what == EDGE) {
    edge(timer);
    return;
  }
  const Timer copy = *timer;
  timer->what = NOTHING;
  char reply[300];
  switch (copy.what) {
    case COMMAND:
      if (!run_command(copy.command, reply, sizeof reply)) fprintf(stderr, "fake camera library: %s: %s\n", copy.command, reply);
      break;
    case REMOVED: removed(copy.device); break;
    case ARRIVED: arrived(copy.device); break;
    case PLUGGED: replug(copy.device, NULL); break;
    default: break;
  }
}

static void *world(void *unused) {
  (void)unused;
  pthread_mutex_lock(&g.lock);
  while (!stopping) {
    if (run_event()) continue;
    Timer *next = NULL;
    for (int i = 0; i < COUNT_OF(timers); i++) {
      if (timers[i].what != NOTHING && (next == NULL || timers[i].when < next->when)) next = &timers[i];
    }
    if (next != NULL && next->when <= fake_now()) run_timer(next);
    else wait_fake(next == NULL ? FOREVER : next->when);
  }
  pthread_mutex_unlock(&g.lock);
  return NULL;
}

bool world_start(void) {
  running = pthread_create(&thread, NULL, world, NULL) == 0;
  return running;
}

// Called with the lock held, which is let go meanwhile.
void world_stop(void) {
  if (!running) return;
  stopping = true;
  changed();
  pthread_mutex_unlock(&g.lock);
  pthread_join(thread, NULL);
  pthread_mutex_lock(&g.lock);
  running = false;
}
