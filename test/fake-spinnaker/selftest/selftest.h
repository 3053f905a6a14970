// Tests of the fake itself, one process per case: selftest --list, selftest CASE.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/spinnaker.h"

extern int failures;
void failed(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define CHECK(condition) ((condition) ? (void)0 : failed(__FILE__, __LINE__, "%s", #condition))
#define EQUAL(got, wanted)                                                                                            \
  do {                                                                                                                \
    const long long got_ = (long long)(got), wanted_ = (long long)(wanted);                                           \
    if (got_ != wanted_) failed(__FILE__, __LINE__, "%s is %lld, expected %lld", #got, got_, wanted_);                 \
  } while (0)
#define OK(call) EQUAL(call, SPIN_OK)
#define CONTAINS(text, part) (strstr(text, part) ? (void)0 : failed(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", text, part))

typedef struct {
  const char *name;
  void (*run)(void);
} Case;
#define CASES_END {NULL, NULL}
extern const Case handle_cases[], node_cases[], stream_cases[], fault_cases[], world_cases[];

// The control language; a refused command fails the case.
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *ask(const char *line);
// A number of the status, by what stands before it: `number("\"lost\":")`.
long long number(const char *before);
bool has_violation(const char *kind, const char *text);
long long violation_count(void);
const char *last_message(void);

// One camera, opened and closed as the documented order wants it.
typedef struct {
  spinHandle system, list, camera, map, stream, tl;
} Rig;
Rig rig_open(void);
void rig_close(Rig *rig);
void rig_system(Rig *rig);  // system and list only
// Sets a feature from text; returns the code.
int put(spinHandle map, const char *name, const char *value);
double get(spinHandle map, const char *name);
const char *text_of(spinHandle map, const char *name);
bool writable(spinHandle map, const char *name);
double limit(spinHandle map, const char *name, bool upper);
void small(Rig *rig, const char *trigger);  // 256 x 128 and quick: off, software, line
spinHandle next(Rig *rig, uint64_t timeout_ms);
uint64_t frame_id(spinHandle image);
uint32_t stamp_of(spinHandle image);  // the exposure's number, from the pixels
void wait_for(const char *before, long long at_least);
