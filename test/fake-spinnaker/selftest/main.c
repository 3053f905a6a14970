#include <stdarg.h>

#include "selftest.h"

int failures;

void failed(const char *file, int line, const char *format, ...) {
  failures++;
  const char *name = strrchr(file, '/');
  va_list args;
  va_start(args, format);
  printf("%s:%d: ", name ? name + 1 : file, line);
  vprintf(format, args);
  printf("\n");
  va_end(args);
  fflush(stdout);
}

const char *ask(const char *line) {
  static char reply[16384];
  size_t length = sizeof reply;
  if (fakeSpinCommand(line, reply, &length) != SPIN_OK) failed(__FILE__, __LINE__, "%s: %s", line, reply);
  return reply;
}

void tell(const char *format, ...) {
  char line[400];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  ask(line);
}

long long number(const char *before) {
  const char *at = strstr(ask("status"), before);
  if (at == NULL) {
    failed(__FILE__, __LINE__, "no %s in the status", before);
    return -1;
  }
  return atoll(at + strlen(before));
}

long long violation_count(void) { return number("\"violationCount\":"); }

bool has_violation(const char *kind, const char *text) {
  char wanted[64];
  snprintf(wanted, sizeof wanted, "{\"kind\":\"%s\"", kind);
  for (const char *at = ask("status"); (at = strstr(at, wanted)) != NULL; at++) {
    const char *end = strchr(at, '}'), *found = strstr(at, text);
    if (found != NULL && found < end) return true;
  }
  return false;
}

const char *last_message(void) {
  static char text[600];
  size_t length = sizeof text;
  OK(spinErrorGetLastMessage(text, &length));
  return text;
}

void wait_for(const char *before, long long at_least) {
  for (int i = 0; i < 5000 && number(before) < at_least; i++) usleep(1000);
  if (number(before) < at_least) failed(__FILE__, __LINE__, "%s never reached %lld", before, at_least);
}

void rig_system(Rig *rig) {
  OK(spinSystemGetInstance(&rig->system));
  OK(spinCameraListCreateEmpty(&rig->list));
  OK(spinSystemGetCameras(rig->system, rig->list));
}

Rig rig_open(void) {
  Rig rig = {0};
  rig_system(&rig);
  OK(spinCameraListGet(rig.list, 0, &rig.camera));
  OK(spinCameraInit(rig.camera));
  OK(spinCameraGetNodeMap(rig.camera, &rig.map));
  OK(spinCameraGetTLStreamNodeMap(rig.camera, &rig.stream));
  OK(spinCameraGetTLDeviceNodeMap(rig.camera, &rig.tl));
  return rig;
}

void rig_close(Rig *rig) {
  spinBool streaming = 0;
  OK(spinCameraIsStreaming(rig->camera, &streaming));
  if (streaming) OK(spinCameraEndAcquisition(rig->camera));
  OK(spinCameraDeInit(rig->camera));
  OK(spinCameraRelease(rig->camera));
  OK(spinCameraListClear(rig->list));
  OK(spinCameraListDestroy(rig->list));
  OK(spinSystemReleaseInstance(rig->system));
}

int put(spinHandle map, const char *name, const char *value) {
  spinHandle node = NULL;
  OK(spinNodeMapGetNode(map, name, &node));
  if (node == NULL) {
    failed(__FILE__, __LINE__, "no node %s", name);
    return SPIN_INVALID_HANDLE;
  }
  const int code = spinNodeFromString(node, value);
  OK(spinNodeMapReleaseNode(map, node));
  return code;
}

const char *text_of(spinHandle map, const char *name) {
  static char text[200];
  size_t length = sizeof text;
  spinHandle node = NULL;
  text[0] = 0;
  OK(spinNodeMapGetNode(map, name, &node));
  OK(spinNodeToString(node, text, &length));
  OK(spinNodeMapReleaseNode(map, node));
  return text;
}

double get(spinHandle map, const char *name) { return atof(text_of(map, name)); }

bool writable(spinHandle map, const char *name) {
  spinHandle node = NULL;
  spinBool yes = 0;
  OK(spinNodeMapGetNode(map, name, &node));
  OK(spinNodeIsWritable(node, &yes));
  OK(spinNodeMapReleaseNode(map, node));
  return yes;
}

double limit(spinHandle map, const char *name, bool upper) {
  spinHandle node = NULL;
  int type = 0;
  int64_t i = 0;
  double f = 0;
  OK(spinNodeMapGetNode(map, name, &node));
  OK(spinNodeGetType(node, &type));
  if (type == SPIN_NODE_INTEGER) OK(upper ? spinIntegerGetMax(node, &i) : spinIntegerGetMin(node, &i));
  else OK(upper ? spinFloatGetMax(node, &f) : spinFloatGetMin(node, &f));
  OK(spinNodeMapReleaseNode(map, node));
  return type == SPIN_NODE_INTEGER ? (double)i : f;
}

void small(Rig *rig, const char *trigger) {
  OK(put(rig->map, "TriggerMode", "Off"));
  OK(put(rig->map, "Width", "256"));
  OK(put(rig->map, "Height", "128"));
  OK(put(rig->map, "ExposureAuto", "Off"));
  OK(put(rig->map, "GainAuto", "Off"));
  OK(put(rig->map, "ExposureTime", "1000"));
  if (strcmp(trigger, "off") == 0) {
    OK(put(rig->map, "AcquisitionFrameRateEnable", "1"));
    OK(put(rig->map, "AcquisitionFrameRate", "200"));
    return;
  }
  OK(put(rig->map, "TriggerSource", strcmp(trigger, "software") == 0 ? "Software" : "Line0"));
  OK(put(rig->map, "TriggerOverlap", "ReadOut"));
  OK(put(rig->map, "TriggerMode", "On"));
}

spinHandle next(Rig *rig, uint64_t timeout_ms) {
  spinHandle image = NULL;
  OK(spinCameraGetNextImageEx(rig->camera, timeout_ms, &image));
  return image;
}

uint64_t frame_id(spinHandle image) {
  uint64_t id = UINT64_MAX;
  OK(spinImageGetFrameID(image, &id));
  return id;
}

uint32_t stamp_of(spinHandle image) {
  const uint8_t *data = NULL;
  OK(spinImageGetData(image, (void **)&data));
  if (data == NULL) return UINT32_MAX;
  uint64_t bits = 0;
  for (int i = 0; i < 64; i++) bits |= (uint64_t)(data[i] & 1) << i;
  EQUAL((uint32_t)(bits >> 32), (uint32_t) ~(uint32_t)bits);
  return (uint32_t)bits;
}

// For tests from outside: takes frames until its camera is pulled, then ends as it should.
static int until_unplugged(void) {
  Rig rig = rig_open();
  small(&rig, "off");
  OK(spinCameraBeginAcquisition(rig.camera));
  puts("running");
  fflush(stdout);
  int frames = 0;
  for (;;) {
    spinHandle image = NULL;
    const int code = spinCameraGetNextImageEx(rig.camera, 100, &image);
    if (code == SPIN_NOT_INITIALIZED) break;
    if (code != SPIN_OK) continue;
    frames++;
    OK(spinImageRelease(image));
  }
  spinCameraEndAcquisition(rig.camera);
  spinCameraDeInit(rig.camera);
  OK(spinCameraRelease(rig.camera));
  OK(spinCameraListClear(rig.list));
  OK(spinCameraListDestroy(rig.list));
  OK(spinSystemReleaseInstance(rig.system));
  printf("%d frames\n", frames);
  return failures;
}

int main(int count, char **words) {
  static const Case *const groups[] = {handle_cases, node_cases, stream_cases, fault_cases, world_cases};
  const bool list = count == 2 && strcmp(words[1], "--list") == 0;
  if (count != 2) {
    fprintf(stderr, "usage: selftest --list | CASE\n");
    return 2;
  }
  if (strcmp(words[1], "--until-unplugged") == 0) return until_unplugged();
  for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
    for (const Case *one = groups[g]; one->name != NULL; one++) {
      if (list) {
        puts(one->name);
      } else if (strcmp(one->name, words[1]) == 0) {
        one->run();
        return failures == 0 ? 0 : 1;
      }
    }
  }
  if (!list) fprintf(stderr, "there is no case %s\n", words[1]);
  return list ? 0 : 2;
}
