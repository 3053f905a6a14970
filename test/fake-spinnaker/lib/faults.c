// Scripted faults: of exposures (what a frame is like) and of calls (what a function answers, and when).
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

static const char *const names[] = {"incomplete", "frozen", "gap", "duplicate", "wrong-size", "wrong-format", "zero-size", "short", "lost", "slow", "chunk-missing", "crc"};
#define RANDOM_NAMES 9  // of the list: the rest spoils no picture by itself

static Fault faults[64];
static int fault_count;
static double random_rate;
static uint32_t random_state;
static bool random_chosen[COUNT_OF(names)];

typedef enum { RULE_NONE, RULE_FAIL, RULE_HANG, RULE_SLOW } RuleKind;
typedef struct {
  RuleKind kind;
  char call[64];
  int code;
  int64_t times, skip;  // times -1: always
  double ms;            // of a hang, 0: until unhang
  char text[160];
} Rule;
static Rule rules[32];
static int64_t unhung;  // how often

void faults_clear(void) {
  fault_count = 0;
  random_rate = 0;
  memset(rules, 0, sizeof rules);
  unhang();
}

void unhang(void) {
  unhung++;
  changed();
}

static int named(const char *name) {
  for (int i = 0; i < COUNT_OF(names); i++) {
    if (strcmp(names[i], name) == 0) return i;
  }
  return -1;
}

static bool refuse(char *why, size_t size, const char *text, const char *about) {
  snprintf(why, size, text, about);
  return false;
}

static bool random_faults(char *const *words, int count, char *why, size_t size) {
  double rate, seed;
  if (!number_option(words, count, "rate", -1, &rate) || rate < 0 || rate > 1 || !number_option(words, count, "seed", 1, &seed)) {
    return refuse(why, size, "fault random rate=0..1 [seed=N] [names=a,b]%s", "");
  }
  char list[300];
  snprintf(list, sizeof list, "%s", option(words, count, "names", ""));
  for (int i = 0; i < COUNT_OF(names); i++) random_chosen[i] = list[0] == 0 && i < RANDOM_NAMES;
  char *rest = NULL;
  for (char *one = strtok_r(list, ",", &rest); one != NULL; one = strtok_r(NULL, ",", &rest)) {
    const int at = named(one);
    if (at < 0) return refuse(why, size, "there is no fault %.60s", one);
    random_chosen[at] = true;
  }
  random_rate = rate;
  random_state = (uint32_t)(int64_t)seed * 2654435761u + 1;
  return true;
}

bool fault_command(char *const *words, int count, char *why, size_t size) {
  if (count < 2) return refuse(why, size, "fault NAME [count=N|always] [at=N] [value=N] [value2=N]%s", "");
  if (strcmp(words[1], "clear") == 0) {
    fault_count = 0;
    random_rate = 0;
    return true;
  }
  if (strcmp(words[1], "random") == 0) return random_faults(words, count, why, size);
  if (named(words[1]) < 0) {
    snprintf(why, size, "there is no fault %.60s, but", words[1]);
    for (int i = 0; i < COUNT_OF(names); i++) snprintf(why + strlen(why), size - strlen(why), " %s", names[i]);
    return false;
  }
  Fault fault = {.count = 1};
  double times = 1, at;
  const bool always = strcmp(option(words, count, "count", ""), "always") == 0;
  if ((!always && !number_option(words, count, "count", 1, &times)) || !number_option(words, count, "at", -1, &at) ||
      !number_option(words, count, "value", -1, &fault.value) || !number_option(words, count, "value2", -1, &fault.value2) || times < 1) {
    return refuse(why, size, "fault %.30s: count, at, value and value2 are numbers", words[1]);
  }
  if (fault_count == COUNT_OF(faults)) return refuse(why, size, "too many faults wait%s", "");
  snprintf(fault.name, sizeof fault.name, "%s", words[1]);
  fault.count = always ? -1 : (int64_t)times;
  fault.at = (int64_t)at;
  faults[fault_count++] = fault;
  return true;
}

static uint32_t draw(void) {
  random_state = random_state * 1664525u + 1013904223u;
  return random_state >> 8;
}

Fault next_fault(int64_t exposure) {
  for (int i = 0; i < fault_count; i++) {
    if (faults[i].at > exposure) continue;
    const Fault fault = faults[i];
    if (faults[i].count > 0 && --faults[i].count == 0) {
      memmove(faults + i, faults + i + 1, (size_t)(fault_count - i - 1) * sizeof fault);
      fault_count--;
    }
    return fault;
  }
  Fault fault = {.value = -1, .value2 = -1};
  if (random_rate > 0 && draw() < random_rate * (1 << 24)) {
    int chosen = 0;
    for (int i = 0; i < COUNT_OF(names); i++) chosen += random_chosen[i];
    int left = chosen == 0 ? -1 : (int)(draw() % (unsigned)chosen);
    for (int i = 0; i < COUNT_OF(names) && left >= 0; i++) {
      if (random_chosen[i] && left-- == 0) snprintf(fault.name, sizeof fault.name, "%s", names[i]);
    }
  }
  return fault;
}

// A mistyped name in a script would be a fault that never happens.
static bool exported(const char *call) {
  Dl_info mine;
  if (dladdr((void *)(uintptr_t)spinSystemGetInstance, &mine) == 0) return true;
  void *library = dlopen(mine.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  if (library == NULL) return true;
  const bool found = dlsym(library, call) != NULL;
  dlclose(library);
  return found;
}

// fail CALL CODE [times=] [skip=] [text ...] | hang CALL [ms=] | slow CALL ms= [times=]
bool call_command(char *const *words, int count, char *why, size_t size) {
  Rule rule = {.times = 1};
  rule.kind = words[0][0] == 'f' ? RULE_FAIL : words[0][0] == 'h' ? RULE_HANG : RULE_SLOW;
  const int first = rule.kind == RULE_FAIL ? 3 : 2;
  if (count < first) return refuse(why, size, "%s CALL ..., see help", words[0]);
  snprintf(rule.call, sizeof rule.call, "%s%s", strncmp(words[1], "spin", 4) == 0 ? "" : "spin", words[1]);
  if (!exported(rule.call)) return refuse(why, size, "there is no function %.60s", rule.call);
  double times = 1, skip;
  const bool always = strcmp(option(words, count, "times", ""), "always") == 0;
  if ((!always && !number_option(words, count, "times", 1, &times)) || !number_option(words, count, "skip", 0, &skip) ||
      !number_option(words, count, "ms", 0, &rule.ms)) {
    return refuse(why, size, "%s: times, skip and ms are numbers", words[0]);
  }
  rule.times = always ? -1 : (int64_t)times;
  rule.skip = (int64_t)skip;
  if (rule.kind == RULE_FAIL) {
    rule.code = atoi(words[2]);
    if (rule.code >= 0) return refuse(why, size, "fail: %.30s is no code of the library", words[2]);
    for (int i = first; i < count; i++) {
      if (strchr(words[i], '=') == NULL) snprintf(rule.text + strlen(rule.text), sizeof rule.text - strlen(rule.text), "%s%s", rule.text[0] ? " " : "", words[i]);
    }
  }
  for (int i = 0; i < COUNT_OF(rules); i++) {
    if (rules[i].kind != RULE_NONE) continue;
    rules[i] = rule;
    return true;
  }
  return refuse(why, size, "too many call faults wait%s", "");
}

static void hang(double ms) {
  const int64_t until = ms > 0 ? fake_now() + (int64_t)(ms * 1e6) : FOREVER;
  const int64_t before = unhung;
  while (unhung == before && fake_now() < until && !g.closing) wait_fake(until);
}

// What the script has in mind for this call. True: it failed.
bool call_rule(Call *call) {
  for (int i = 0; i < COUNT_OF(rules); i++) {
    Rule *rule = &rules[i];
    if (rule->kind == RULE_NONE || strcmp(rule->call, call->name) != 0) continue;
    if (rule->skip > 0) {
      rule->skip--;
      continue;
    }
    const Rule now = *rule;
    if (rule->times > 0 && --rule->times == 0) rule->kind = RULE_NONE;
    if (now.kind == RULE_FAIL) {
      fail(call, now.code, "%s", now.text[0] ? now.text : "Scripted failure");
      return true;
    }
    note(call, "%s", now.kind == RULE_HANG ? "hung" : "slow");
    hang(now.ms);
  }
  return false;
}
