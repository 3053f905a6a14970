// The host's side of a camera: transport layer device, stream, and the system.
#include <string.h>

#include "fake.h"

static const NodeSpec stream_specs[S_COUNT] = {
#define NODE(node, ...) {#node, __VA_ARGS__},
#include "stream_nodes.def"
#undef NODE
};

static int buffers_in(const Camera *camera, BufferState state) {
  int count = 0;
  for (int i = 0; i < camera->buffer_count; i++) count += camera->buffers[i].state == state;
  return count;
}

static bool stream_value(Map *map, int id, int slot, Value *v) {
  (void)slot;
  const Camera *camera = map->camera;
  switch (id) {
    case S_StreamBufferCountResult: v->i = map->states[S_StreamBufferCountManual].at[0].i; return true;
    case S_StreamStartedFrameCount: v->i = camera->counts.started; return true;
    case S_StreamDeliveredFrameCount: v->i = camera->counts.delivered; return true;
    case S_StreamIncompleteFrameCount: v->i = camera->counts.incomplete; return true;
    case S_StreamLostFrameCount: v->i = camera->counts.lost; return true;
    case S_StreamDroppedFrameCount: v->i = camera->counts.dropped; return true;
    case S_StreamAnnouncedBufferCount: v->i = camera->buffer_count; return true;
    case S_StreamInputBufferCount: v->i = buffers_in(camera, BUFFER_FREE); return true;
    case S_StreamOutputBufferCount: v->i = camera->ready; return true;
    case S_StreamIsGrabbing: v->i = camera->streaming; return true;
    default: return false;
  }
}

const MapClass stream_map = {"stream", stream_specs, S_COUNT, NULL, NULL, stream_value, NULL, NULL, NULL, NULL};

#define TEXT_NODE(name, text) {name, SPIN_NODE_STRING, SPIN_ACCESS_RO, false, -1, NULL, 0, 0, 0, 0, text}
#define ENUM_NODE(name, init, ...) \
  {name, SPIN_NODE_ENUMERATION, SPIN_ACCESS_RO, false, -1, ((const char *const[]){__VA_ARGS__, NULL}), init, 0, 0, 0, NULL}
#define BOOL_NODE(name, init) {name, SPIN_NODE_BOOLEAN, SPIN_ACCESS_RW, false, -1, NULL, init, 0, 1, 1, NULL}

enum { T_ID, T_SERIAL, T_VENDOR, T_MODEL, T_TYPE, T_DISPLAY, T_STATUS, T_VERSION, T_DRIVER, T_USER, T_LOCATION, T_SPEED, T_COUNT };
static const NodeSpec tl_specs[T_COUNT] = {
    [T_ID] = TEXT_NODE("DeviceID", ""),
    [T_SERIAL] = TEXT_NODE("DeviceSerialNumber", ""),
    [T_VENDOR] = TEXT_NODE("DeviceVendorName", "FLIR"),
    [T_MODEL] = TEXT_NODE("DeviceModelName", ""),
    [T_TYPE] = ENUM_NODE("DeviceType", 4, "GigEVision", "CameraLink", "CameraLinkHS", "CoaXPress", "USB3Vision"),
    [T_DISPLAY] = TEXT_NODE("DeviceDisplayName", ""),
    [T_STATUS] = ENUM_NODE("DeviceAccessStatus", 1, "Unknown", "ReadWrite", "ReadOnly", "NoAccess", "Busy", "OpenReadWrite", "OpenReadOnly"),
    [T_VERSION] = TEXT_NODE("DeviceVersion", ""),
    [T_DRIVER] = TEXT_NODE("DeviceDriverVersion", "none : fake"),
    [T_USER] = TEXT_NODE("DeviceUserID", ""),
    [T_LOCATION] = TEXT_NODE("DeviceLocation", "usb-fake-1.1"),
    [T_SPEED] = ENUM_NODE("DeviceCurrentSpeed", 4, "UnknownSpeed", "LowSpeed", "FullSpeed", "HighSpeed", "SuperSpeed"),
};

static bool tl_value(Map *map, int id, int slot, Value *v) {
  (void)slot;
  if (id == T_SPEED) v->i = g.set.usb2 ? 3 : 4;
  if (id == T_STATUS) v->i = g.set.busy ? 4 : map->camera->initialized ? 5 : 1;
  return id == T_SPEED || id == T_STATUS;
}

static const char *tl_text(Map *map, int id, char *space, size_t size) {
  switch (id) {
    case T_ID: snprintf(space, size, "USB\\VID_1E10&PID_4000\\%s", map->device->serial); return space;
    case T_SERIAL: return map->device->serial;
    case T_MODEL: return g.set.model;
    case T_DISPLAY: snprintf(space, size, "FLIR %s", g.set.model); return space;
    case T_VERSION: snprintf(space, size, "FW:v%s FPGA:v2.02", g.set.firmware); return space;
    case T_USER: return map->device->nodes[D_DeviceUserID].text;
    default: return NULL;
  }
}

const MapClass tl_device_map = {"TL device", tl_specs, T_COUNT, NULL, NULL, tl_value, tl_text, NULL, NULL, NULL};

static const NodeSpec system_specs[] = {
    TEXT_NODE("TLVendorName", "fake"),
    TEXT_NODE("TLModelName", "fake camera library"),
    TEXT_NODE("TLVersion", ""),
    BOOL_NODE("EnumerateGEVInterfaces", 1),
    BOOL_NODE("EnumerateUSBInterfaces", 1),
};

static const char *system_text(Map *map, int id, char *space, size_t size) {
  (void)map;
  if (id != 2) return NULL;
  snprintf(space, size, "%u.%u.%u.%u", g.set.version[0], g.set.version[1], g.set.version[2], g.set.version[3]);
  return space;
}

const MapClass system_map = {"system", system_specs, COUNT_OF(system_specs), NULL, NULL, NULL, system_text, NULL, NULL, NULL};
