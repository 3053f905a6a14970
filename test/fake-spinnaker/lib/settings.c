// Settings by name: what the simulated world is like.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

typedef enum { NUMBER, WHOLE, SWITCH, TEXT } Type;
typedef struct {
  const char *key;
  Type type;
  void *to;
  double min, max;
  size_t size;
  bool before;  // only while nobody holds the system: cameras start anew
} Setting;

#define TEXT_OF(field) TEXT, g.set.field, 0, 0, sizeof g.set.field
static const Setting settings[] = {
    {"sensor-width", WHOLE, &g.set.sensor_width, 64, 16384, 0, true},
    {"sensor-height", WHOLE, &g.set.sensor_height, 64, 16384, 0, true},
    {"stride-padding", WHOLE, &g.set.stride_padding, 0, 4096, 0, true},
    {"row-us", NUMBER, &g.set.row_us, 0, 1e5, 0, false},
    {"link-bytes-per-second", NUMBER, &g.set.max_link, 1e6, 1e10, 0, false},
    {"usbfs-mb", NUMBER, &g.set.usbfs_mb, 0, 1e6, 0, false},
    {"temperature", NUMBER, &g.set.temperature, -50, 150, 0, false},
    {"clock-ppm", NUMBER, &g.set.clock_ppm, -1000, 1000, 0, false},
    {"init-ms", WHOLE, &g.set.init_ms, 0, 1e6, 0, false},
    {"begin-ms", WHOLE, &g.set.begin_ms, 0, 1e6, 0, false},
    {"command-ms", WHOLE, &g.set.command_ms, 0, 1e6, 0, false},
    {"removal-ms", WHOLE, &g.set.removal_ms, 0, 1e9, 0, false},
    {"arrival-ms", WHOLE, &g.set.arrival_ms, 0, 1e9, 0, false},
    {"reset-ms", WHOLE, &g.set.reset_ms, 0, 1e9, 0, false},
    {"unplug-timeouts", WHOLE, &g.set.unplug_timeouts, 0, 1e9, 0, false},
    {"link-errors", WHOLE, &g.set.link_errors, 0, 1e9, 0, false},
    {"require-cti", SWITCH, &g.set.require_cti, 0, 0, 0, false},
    {"usb2", SWITCH, &g.set.usb2, 0, 0, 0, false},
    {"busy", SWITCH, &g.set.busy, 0, 0, 0, false},
    {"silent", SWITCH, &g.set.silent, 0, 0, 0, false},
    {"stamp", SWITCH, &g.set.stamp, 0, 0, 0, false},
    {"real-stamps", SWITCH, &g.set.real_stamps, 0, 0, 0, false},
    {"node-leaks", SWITCH, &g.set.node_leaks, 0, 0, 0, false},
    {"model", TEXT_OF(model), false},
    {"firmware", TEXT_OF(firmware), false},
    {"lock", TEXT_OF(lock), false},
};

void settings_default(void) {
  const double scale = g.set.scale;
  g.set = (Settings){.scale = scale, .sensor_width = 4096, .sensor_height = 2160, .row_us = 10.5, .max_link = 380e6, .temperature = 48.5, .init_ms = 50,
                     .begin_ms = 10, .command_ms = 5, .removal_ms = 300, .arrival_ms = 300, .reset_ms = 1000, .unplug_timeouts = 2, .stamp = true,
                     .node_leaks = true, .version = {4, 2, 0, 83}, .model = "Blackfly S BFS-U3-89S6C", .firmware = "1803.0.225.0"};
  set_scale(1);
  memset(g.access, 0, sizeof g.access);
  memset(g.devices, 0, sizeof g.devices);
  setting("cameras", "21234567", NULL, 0);
}

bool switched_on(const char *word, bool *value) {
  const bool yes = strcmp(word, "on") == 0 || strcmp(word, "true") == 0 || strcmp(word, "1") == 0;
  const bool no = strcmp(word, "off") == 0 || strcmp(word, "false") == 0 || strcmp(word, "0") == 0;
  *value = yes;
  return yes || no;
}

// The cameras on the bus, by serial number, as they leave the factory.
static bool cameras(const char *value, char *why, size_t size) {
  char text[200];
  snprintf(text, sizeof text, "%s", value);
  memset(g.devices, 0, sizeof g.devices);
  int count = 0;
  char *rest = NULL;
  for (char *one = strtok_r(text, ", ", &rest); one != NULL; one = strtok_r(NULL, ", ", &rest)) {
    if (count == MAX_DEVICES) {
      snprintf(why, size, "cameras: at most %d", MAX_DEVICES);
      return false;
    }
    Device *device = &g.devices[count++];
    snprintf(device->serial, sizeof device->serial, "%s", one);
    device->listed = device->present = device->detected = true;
  }
  for (int i = 0; i < MAX_DEVICES; i++) power_up(&g.devices[i], true);
  return true;
}

static void refit(void) {
  for (int i = 0; i < MAX_DEVICES; i++) power_up(&g.devices[i], true);
}

static bool choice(const char *key, const char *value, const char *const *words, int count, int *chosen, char *why, size_t size) {
  for (int i = 0; i < count; i++) {
    if (strcmp(words[i], value) != 0) continue;
    *chosen = i;
    return true;
  }
  snprintf(why, size, "%s: %s is none of", key, value);
  for (int i = 0; i < count && strlen(why) + 30 < size; i++) snprintf(why + strlen(why), size - strlen(why), " %s", words[i]);
  return false;
}

static bool special(const char *key, const char *value, bool *known, char *why, size_t size) {
  static const char *const rules[] = {"one", "serial", "any"}, *const releases[] = {"poison", "protect", "keep"}, *const answers[] = {"report", "abort"},
                           *const fills[] = {"full", "stamp"}, *const edges_of[] = {"end", "start"};
  int chosen = 0;
  *known = true;
  if (strcmp(key, "threads") == 0) {
    if (!choice(key, value, rules, 3, &chosen, why, size)) return false;
    g.set.threads = (ThreadRule)chosen;
  } else if (strcmp(key, "release") == 0) {
    if (!choice(key, value, releases, 3, &chosen, why, size)) return false;
    g.set.release = (ReleaseRule)chosen;
  } else if (strcmp(key, "on-violation") == 0) {
    if (!choice(key, value, answers, 2, &chosen, why, size)) return false;
    g.set.abort_on_violation = chosen == 1;
  } else if (strcmp(key, "fill") == 0) {
    if (!choice(key, value, fills, 2, &chosen, why, size)) return false;
    g.set.stamp_only = chosen == 1;
  } else if (strcmp(key, "timestamp") == 0) {
    if (!choice(key, value, edges_of, 2, &chosen, why, size)) return false;
    g.set.stamp_start = chosen == 1;
  } else if (strcmp(key, "version") == 0) {
    unsigned *v = g.set.version;
    if (sscanf(value, "%u.%u.%u.%u", &v[0], &v[1], &v[2], &v[3]) != 4) {
      snprintf(why, size, "version: %s is not like 4.2.0.83", value);
      return false;
    }
  } else if (strcmp(key, "scale") == 0) {
    char *rest = NULL;
    const double scale = strtod(value, &rest);
    if (rest == value || *rest != 0 || !(scale >= 0.01 && scale <= 10000)) {
      snprintf(why, size, "scale: %s is not 0.01 to 10000", value);
      return false;
    }
    set_scale(scale);
  } else if (strcmp(key, "log") == 0) {
    log_open(value);
  } else if (strcmp(key, "control") == 0) {
    return control_open(value, why, size);
  } else if (strcmp(key, "frames") == 0 || strcmp(key, "cameras") == 0) {
    if (g.instances > 0) {
      snprintf(why, size, "%s: only while nobody holds the system", key);
      return false;
    }
    if (key[0] == 'c') return cameras(value, why, size);
    if (!pictures_load(value, why, size)) return false;
    refit();
  } else {
    *known = false;
  }
  return true;
}

bool setting(const char *key, const char *value, char *why, size_t size) {
  bool known;
  if (!special(key, value, &known, why, size)) return false;
  if (known) return true;
  for (int i = 0; i < COUNT_OF(settings); i++) {
    const Setting *one = &settings[i];
    if (strcmp(one->key, key) != 0) continue;
    if (one->before && g.instances > 0) {
      snprintf(why, size, "%s: only while nobody holds the system", key);
      return false;
    }
    if (one->type == TEXT) {
      snprintf(one->to, one->size, "%s", value);
    } else if (one->type == SWITCH) {
      if (!switched_on(value, one->to)) {
        snprintf(why, size, "%s: %s is neither on nor off", key, value);
        return false;
      }
      changed();
    } else {
      char *rest = NULL;
      const double number = strtod(value, &rest);
      if (rest == value || *rest != 0 || !(number >= one->min && number <= one->max) || (one->type == WHOLE && number != floor(number))) {
        snprintf(why, size, "%s: %s is not %s of %g to %g", key, value, one->type == WHOLE ? "a whole number" : "a number", one->min, one->max);
        return false;
      }
      if (one->type == WHOLE) *(int64_t *)one->to = (int64_t)number;
      else *(double *)one->to = number;
    }
    if (one->before) refit();
    return true;
  }
  snprintf(why, size, "there is no setting %s", key);
  return false;
}
