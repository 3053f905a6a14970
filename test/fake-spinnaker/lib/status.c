// All there is to know from outside, as one line of JSON.
#include <string.h>

#include "fake.h"

static void add(char *space, size_t size, size_t *at, const char *format, ...) PRINTF(4, 5);
static void add(char *space, size_t size, size_t *at, const char *format, ...) {
  if (*at >= size) return;
  va_list args;
  va_start(args, format);
  const int wrote = vsnprintf(space + *at, size - *at, format, args);
  va_end(args);
  *at += wrote < 0 ? 0 : (size_t)wrote;
}

void status_json(char *space, size_t size) {
  size_t at = 0;
  static const struct {
    Kind kind;
    const char *name;
  } kinds[] = {{K_CAMERA, "cameras"}, {K_LIST, "lists"}, {K_IMAGE, "images"}, {K_HANDLER, "handlers"}, {K_NODE, "nodes"}, {K_ENTRY, "entries"}};
  add(space, size, &at, "{\"scale\":%g,\"instances\":%d,\"inside\":%d,\"calls\":%lld,\"streamCpuMs\":%.3f,\"held\":{", g.set.scale, g.instances, g.inside != 0, (long long)g.calls,
      (double)stream_cpu_ns / 1e6);
  for (int i = 0; i < COUNT_OF(kinds); i++) add(space, size, &at, "%s\"%s\":%d", i ? "," : "", kinds[i].name, g.live[kinds[i].kind]);
  add(space, size, &at, "},\"devices\":[");
  bool first = true;
  for (int i = 0; i < MAX_DEVICES; i++) {
    const Device *device = &g.devices[i];
    if (!device->listed) continue;
    const Camera *camera = device->camera;
    const StreamCounts none = {0};
    const StreamCounts *counts = camera == NULL ? &none : &camera->counts;
    char serial[80];
    const int64_t lines = lines_of(device);
    add(space, size, &at,
        "%s{\"serial\":%s,\"present\":%s,\"detected\":%s,\"initialized\":%s,\"streaming\":%s,\"exposures\":%lld,\"edges\":%lld,\"ignored\":%lld,"
        "\"lines\":[%d,%d,%d,%d],\"stream\":{\"started\":%lld,\"delivered\":%lld,\"incomplete\":%lld,\"lost\":%lld,\"dropped\":%lld,\"ready\":%d}}",
        first ? "" : ",", quoted(device->serial, serial, sizeof serial), device->present ? "true" : "false", device->detected ? "true" : "false",
        camera != NULL && camera->initialized ? "true" : "false", camera != NULL && camera->streaming ? "true" : "false", (long long)device->exposures,
        (long long)device->edges, (long long)device->ignored, (int)(lines & 1), (int)(lines >> 1 & 1), (int)(lines >> 2 & 1), (int)(lines >> 3 & 1),
        (long long)counts->started, (long long)counts->delivered, (long long)counts->incomplete, (long long)counts->lost, (long long)counts->dropped,
        camera == NULL ? 0 : camera->ready);
    first = false;
  }
  add(space, size, &at, "],\"violationCount\":%d,\"violations\":[", violation_count());
  if (at + 4 < size) at += (size_t)violations_json(space + at, size - at - 3);
  add(space, size, &at, "]}");
}
