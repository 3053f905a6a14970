// The control language: one command a line, from the script, the socket and fakeSpinCommand alike. Runs under the lock.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake.h"

char start_up_error[300];

Device *device_named(const char *serial) {
  for (int i = 0; i < MAX_DEVICES; i++) {
    Device *device = &g.devices[i];
    if (device->listed && (serial == NULL || strcmp(device->serial, serial) == 0)) return device;
  }
  return NULL;
}

// The value of "key=value" among the words.
const char *option(char *const *words, int count, const char *key, const char *absent) {
  const size_t length = strlen(key);
  for (int i = 0; i < count; i++) {
    if (strncmp(words[i], key, length) == 0 && words[i][length] == '=') return words[i] + length + 1;
  }
  return absent;
}

bool number_option(char *const *words, int count, const char *key, double absent, double *value) {
  const char *text = option(words, count, key, NULL);
  *value = absent;
  if (text == NULL) return true;
  char *rest = NULL;
  *value = strtod(text, &rest);
  return rest != text && *rest == 0 && isfinite(*value);
}

typedef struct {
  char *words[WORDS];
  int count;
  const char *line;  // as it came
  char *reply;
  size_t size;
} Asked;

static bool refuse(const Asked *asked, const char *text) {
  snprintf(asked->reply, asked->size, "%s", text);
  return false;
}

// Device an option or the first bare word names; the first one where none does.
static Device *device_of(const Asked *asked) {
  const char *serial = option(asked->words, asked->count, "serial", NULL);
  if (serial == NULL && asked->count > 1 && strchr(asked->words[1], '=') == NULL) serial = asked->words[1];
  return device_named(serial);
}

static bool do_unplug(const Asked *asked) {
  Device *device = device_of(asked);
  if (device == NULL) return refuse(asked, "there is no such camera");
  unplug(device);
  return true;
}

static bool do_replug(const Asked *asked) {
  Device *device = device_of(asked);
  if (device == NULL) return refuse(asked, "there is no such camera");
  if (device->present) return refuse(asked, "it is plugged");
  replug(device, option(asked->words, asked->count, "as", NULL));
  return true;
}

static bool do_trigger(const Asked *asked) {
  Device *device = device_named(option(asked->words, asked->count, "serial", NULL));
  double line;
  if (device == NULL) return refuse(asked, "there is no such camera");
  if (!number_option(asked->words, asked->count, "line", 0, &line) || (line != 0 && line != 2 && line != 3)) return refuse(asked, "line is 0, 2 or 3");
  trigger_input(device, (int)line, fake_now());
  return true;
}

static bool do_edges(const Asked *asked) {
  if (asked->count > 1 && strcmp(asked->words[1], "stop") == 0) {
    edges_stop();
    return true;
  }
  Device *device = device_named(option(asked->words, asked->count, "serial", NULL));
  double line, period, jitter, count, bounces, bounce;
  char *const *w = asked->words;
  const int n = asked->count;
  if (device == NULL) return refuse(asked, "there is no such camera");
  const bool good = number_option(w, n, "line", 0, &line) && number_option(w, n, "period-ms", 0, &period) && number_option(w, n, "jitter-ms", 0, &jitter) &&
                    number_option(w, n, "count", -1, &count) && number_option(w, n, "bounces", 0, &bounces) && number_option(w, n, "bounce-us", 50, &bounce);
  if (!good || (line != 0 && line != 2 && line != 3) || !(period >= 0.01) || jitter < 0 || jitter > period / 2 || bounces < 0 || bounces > 100 || bounce < 0) {
    return refuse(asked, "edges [line=0|2|3] period-ms=N [jitter-ms=N, at most half the period] [count=N] [bounces=N bounce-us=N]");
  }
  return edges(device, (int)line, period, jitter, (int64_t)count, (int)bounces, bounce) || refuse(asked, "too many timers");
}

// The line from its nth word on.
static const char *after(const Asked *asked, int n) {
  const char *at = asked->line;
  for (int i = 0; i < n; i++) {
    at += strspn(at, " \t");
    at += strcspn(at, " \t");
  }
  return at + strspn(at, " \t");
}

static bool do_delayed(const Asked *asked) {
  char *rest = NULL;
  const double number = asked->count > 2 ? strtod(asked->words[1], &rest) : -1;
  if (asked->count < 3 || rest == asked->words[1] || *rest != 0 || !(number >= 0 && number <= 1e12)) return refuse(asked, "after MS COMMAND, at-exposure N COMMAND");
  const char *command = after(asked, 2);
  const bool made = strcmp(asked->words[0], "after") == 0 ? later(fake_now() + (int64_t)(number * 1e6), command) : at_exposure((int64_t)number, command);
  return made || refuse(asked, "too many timers");
}

static bool do_access(const Asked *asked) {
  static const char *const modes[] = {"auto", "ni", "na", "wo", "ro", "rw"};
  const int id = asked->count > 2 ? find_node(&device_map, asked->words[1]) : -1;
  if (asked->count != 3) return refuse(asked, "access NODE auto|ni|na|wo|ro|rw");
  if (id < 0) return refuse(asked, "there is no such node");
  for (int i = 0; i < COUNT_OF(modes); i++) {
    if (strcmp(asked->words[2], modes[i]) != 0) continue;
    g.access[id] = (int8_t)i;
    return true;
  }
  return refuse(asked, "access NODE auto|ni|na|wo|ro|rw");
}

static bool do_reset(const Asked *asked) {
  if (g.instances > 0) return refuse(asked, "reset: the system is held");
  world_clear();
  events_clear();
  faults_clear();
  pictures_clear();
  clear_violations();
  settings_default();
  g.overwrite_error = false;
  g.calls = 0;
  start_up_error[0] = 0;
  return asked->count < 2 || run_script(asked->words[1], asked->reply, asked->size);
}

static bool do_other(const Asked *asked) {
  const char *word = asked->words[0];
  if (strcmp(word, "status") == 0) status_json(asked->reply, asked->size);
  else if (strcmp(word, "unhang") == 0) unhang();
  else if (strcmp(word, "clear") == 0) clear_violations();
  else if (strcmp(word, "overwrite-error") == 0) g.overwrite_error = true;
  else if (strcmp(word, "mark") == 0) {
    char space[300];
    log_line("\"mark\":%s", quoted(after(asked, 1), space, sizeof space));
  } else if (strcmp(word, "run") == 0 && asked->count == 2) return run_script(asked->words[1], asked->reply, asked->size);
  else return refuse(asked, "unknown command; try help");
  return true;
}

static bool do_help(const Asked *asked) {
  snprintf(asked->reply, asked->size,
           "status | unplug [SERIAL] | replug [SERIAL] [as=NEW] | trigger [line=0] | edges [line=0] period-ms=N [jitter-ms=N] [count=N] [bounces=N "
           "bounce-us=N] | edges stop | fault NAME [count=N|always] [at=N] [value=N] [value2=N] | fault random rate=R [seed=N] [names=a,b] | fault clear | "
           "fail CALL CODE [times=N|always] [skip=N] [TEXT] | hang CALL [ms=N] [skip=N] | slow CALL ms=N [times=N|always] | unhang | scale X | "
           "set KEY VALUE | access NODE auto|ni|na|wo|ro|rw | overwrite-error | after MS COMMAND | at-exposure N COMMAND | run FILE | reset [FILE] | "
           "clear | mark TEXT");
  return true;
}

static const struct {
  const char *word;
  bool (*run)(const Asked *);
} commands[] = {{"unplug", do_unplug}, {"replug", do_replug},      {"trigger", do_trigger}, {"edges", do_edges}, {"after", do_delayed},
                {"access", do_access}, {"at-exposure", do_delayed}, {"reset", do_reset},     {"help", do_help}};

static bool is_call_rule(const char *word) { return strcmp(word, "fail") == 0 || strcmp(word, "hang") == 0 || strcmp(word, "slow") == 0; }

// A value is the rest of the line: names and paths may have blanks.
static bool set_rest(const Asked *asked, const char *key) {
  char value[600];
  snprintf(value, sizeof value, "%s", after(asked, 2));
  size_t length = strlen(value);
  while (length > 0 && strchr(" \t\r\n", value[length - 1]) != NULL) value[--length] = 0;
  return setting(key, value, asked->reply, asked->size);
}

bool run_command(const char *line, char *reply, size_t size) {
  char text[600];
  reply[0] = 0;
  snprintf(text, sizeof text, "%s", line);
  Asked asked = {.line = line, .reply = reply, .size = size};
  char *rest = NULL;
  for (char *word = strtok_r(text, " \t\r\n", &rest); word != NULL && asked.count < WORDS; word = strtok_r(NULL, " \t\r\n", &rest)) {
    asked.words[asked.count++] = word;
  }
  if (asked.count == 0 || asked.words[0][0] == '#') return true;
  const char *first = asked.words[0];
  char space[700];
  if (strcmp(first, "status") != 0) log_line("\"command\":%s", quoted(line, space, sizeof space));
  char *const *arguments = asked.words;
  if (asked.count >= 3 && strcmp(asked.words[1], "=") == 0) return set_rest(&asked, first);
  if (asked.count >= 3 && strcmp(first, "set") == 0) return set_rest(&asked, asked.words[1]);
  if (asked.count == 2 && strcmp(first, "scale") == 0) return setting("scale", asked.words[1], reply, size);
  if (strcmp(first, "fault") == 0) return fault_command(arguments, asked.count, reply, size);
  if (is_call_rule(first)) return call_command(arguments, asked.count, reply, size);
  for (int i = 0; i < COUNT_OF(commands); i++) {
    if (strcmp(commands[i].word, first) == 0) return commands[i].run(&asked);
  }
  return do_other(&asked);
}

bool run_script(const char *path, char *why, size_t size) {
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    snprintf(why, size, "the script %.200s cannot be read", path);
    return false;
  }
  char line[600], reply[300];
  int number = 0;
  bool good = true;
  while (good && fgets(line, sizeof line, file) != NULL) {
    number++;
    line[strcspn(line, "\r\n")] = 0;
    good = run_command(line, reply, sizeof reply);
  }
  fclose(file);
  if (!good) snprintf(why, size, "%.150s, line %d: %.100s", path, number, reply);
  return good;
}

// Once in a process, with the first call. NULL, or what is wrong with the environment.
const char *start_up(void) {
  g.set.scale = 1;
  settings_default();
  const char *path = getenv("VERDICTD_FAKE_SPINNAKER_LOG");
  if (path != NULL && path[0] != 0) log_open(path);
  path = getenv("VERDICTD_FAKE_SPINNAKER");
  bool good = path == NULL || path[0] == 0 || run_script(path, start_up_error, sizeof start_up_error);
  path = getenv("VERDICTD_FAKE_SPINNAKER_SCALE");
  if (good && path != NULL && path[0] != 0) good = setting("scale", path, start_up_error, sizeof start_up_error);
  path = getenv("VERDICTD_FAKE_SPINNAKER_CONTROL");
  if (good && path != NULL && path[0] != 0) good = control_open(path, start_up_error, sizeof start_up_error);
  if (good && !world_start()) {
    good = false;
    snprintf(start_up_error, sizeof start_up_error, "no thread for the library");
  }
  return good ? NULL : start_up_error;
}

SPIN fakeSpinCommand(const char *line, char *reply, size_t *length) {
  pthread_mutex_lock(&g.lock);
  ensure_started();
  char space[16384];
  const bool good = run_command(line == NULL ? "" : line, space, sizeof space);
  if (reply != NULL && length != NULL && *length > 0) snprintf(reply, *length, "%s", space);
  pthread_mutex_unlock(&g.lock);
  return good ? SPIN_OK : SPIN_INVALID_PARAMETER;
}

// The end of the process, or of the library in it: what is still held is told, once.
__attribute__((destructor)) static void finish(void) {
  struct timespec soon;
  clock_gettime(CLOCK_REALTIME, &soon);
  soon.tv_sec += 2;
  if (pthread_mutex_timedlock(&g.lock, &soon) != 0) {
    fprintf(stderr, "fake camera library: a call never came back, no report\n");
    return;
  }
  g.closing = true;
  changed();
  for (int i = 0; i < MAX_DEVICES; i++) {
    if (g.devices[i].camera != NULL) stream_end(g.devices[i].camera);
  }
  char space[16384];
  if (g.calls > 0) {
    if (g.instances > 0) violation("leak", "the system was never released");
    status_json(space, sizeof space);
    log_line("\"report\":%s", space);
    if (violation_count() > 0) {
      violations_json(space, sizeof space);
      fprintf(stderr, "fake camera library: violations [%s]\n", space);
    }
  }
  control_close();
  world_stop();
  pictures_clear();
  if (g.instances == 0) handles_free();
  log_close();
  pthread_mutex_unlock(&g.lock);
}
