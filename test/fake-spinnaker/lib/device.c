// The camera's own node map: which feature depends on which, as SFNC and the cameras of this family have it.
#include <math.h>
#include <string.h>

#include "fake.h"

static const NodeSpec specs[D_COUNT] = {
#define NODE(node, ...) {#node, __VA_ARGS__},
#include "device_nodes.def"
#undef NODE
};

enum { FRAME_START = 1, LINE1 = 1, LINE2 = 2 };

static int64_t at(const Map *map, int id) { return map->states[id].at[slot_of(map, id)].i; }

static bool trigger_on(const Map *map) { return map->states[D_TriggerMode].at[FRAME_START].i == 1; }

// Mode of the line that is selected: Line0 and Line3 only listen, Line1 only drives, Line2 does as told.
static bool selected_drives(const Map *map) {
  const int64_t line = at(map, D_LineSelector);
  return line == LINE1 || (line == LINE2 && at(map, D_LineMode) == 1);
}

static int narrow(Map *map, int id) {
  const int plain = specs[id].access;
  const int fixed = SPIN_ACCESS_RO;
  switch (id) {
    case D_TriggerSource:
    case D_TriggerActivation:
      return at(map, D_TriggerMode) == 1 ? fixed : plain;
    case D_TriggerSoftware:
      return trigger_on(map) && map->states[D_TriggerSource].at[FRAME_START].i == 0 ? plain : SPIN_ACCESS_NA;
    case D_ExposureTime:
      return at(map, D_ExposureMode) != 0 ? SPIN_ACCESS_NA : at(map, D_ExposureAuto) != 0 ? fixed : plain;
    case D_ExposureAuto:
      return at(map, D_ExposureMode) != 0 ? SPIN_ACCESS_NA : plain;
    case D_Gain:
      return at(map, D_GainAuto) != 0 ? fixed : plain;
    case D_BalanceRatio:
      return at(map, D_BalanceWhiteAuto) != 0 ? fixed : plain;
    case D_AcquisitionFrameRate:
      return at(map, D_AcquisitionFrameRateEnable) ? plain : fixed;
    case D_AcquisitionFrameCount:
      return at(map, D_AcquisitionMode) == 2 ? plain : SPIN_ACCESS_NA;
    case D_Gamma:
      return at(map, D_GammaEnable) ? plain : fixed;
    case D_LineMode:
      return at(map, D_LineSelector) == LINE2 ? plain : fixed;
    case D_LineSource:
      return selected_drives(map) ? plain : SPIN_ACCESS_NA;
    case D_LineInputFilterSelector:
    case D_LineFilterWidth:
      return selected_drives(map) ? SPIN_ACCESS_NA : plain;
    case D_V3_3Enable:
      return at(map, D_LineSelector) == LINE2 ? plain : SPIN_ACCESS_NA;
    case D_ChunkSelector:
      return at(map, D_ChunkModeActive) ? plain : SPIN_ACCESS_NA;
    case D_ChunkEnable:
      return !at(map, D_ChunkModeActive) ? SPIN_ACCESS_NA : at(map, D_ChunkSelector) == 0 ? fixed : plain;
    case D_UserSetSave:
      return at(map, D_UserSetSelector) == 0 ? SPIN_ACCESS_NA : plain;
    default:
      return plain;
  }
}

static void limits(Map *map, int id, Limits *l) {
  Device *device = map->device;
  const double width_max = (double)(g.set.sensor_width / at(map, D_BinningHorizontal));
  const double height_max = (double)(g.set.sensor_height / at(map, D_BinningVertical));
  switch (id) {
    case D_Width: l->max = width_max - (double)at(map, D_OffsetX); break;
    case D_Height: l->max = height_max - (double)at(map, D_OffsetY); break;
    case D_OffsetX: l->max = width_max - (double)at(map, D_Width); break;
    case D_OffsetY: l->max = height_max - (double)at(map, D_Height); break;
    case D_DeviceLinkThroughputLimit: l->max = g.set.usb2 ? 38e6 : g.set.max_link; break;
    case D_AcquisitionFrameRate: l->max = fastest_rate(device); break;
    case D_ExposureTime:
      // A fixed rate leaves one period for the exposure.
      if (at(map, D_AcquisitionFrameRateEnable)) l->max = floor(1e6 / map->states[D_AcquisitionFrameRate].at[0].f) - 30;
      break;
    default: return;
  }
  // The maximum is itself a value of the node.
  if (specs[id].type == SPIN_NODE_INTEGER && l->inc > 1) l->max = l->min + floor((l->max - l->min) / l->inc) * l->inc;
  if (l->max < l->min) l->max = l->min;
}

static double seconds_up(const Device *device) { return (double)(fake_now() - device->power_up) / 1e9; }

static bool value(Map *map, int id, int slot, Value *v) {
  const Device *device = map->device;
  switch (id) {
    case D_DeviceTemperature: v->f = g.set.temperature + 0.1 * sin(seconds_up(device)); return true;
    case D_DeviceUptime:
    case D_LinkUptime: v->i = (int64_t)seconds_up(device); return true;
    case D_LinkErrorCount: v->i = g.set.link_errors; return true;
    case D_MaxDeviceResetTime: v->i = g.set.reset_ms + 1000; return true;
    case D_DeviceMaxThroughput: v->i = (int64_t)(g.set.usb2 ? 38e6 : g.set.max_link * 1.0116); return true;
    case D_DeviceLinkSpeed: v->i = g.set.usb2 ? 60000000 : 625000000; return true;
    case D_DeviceLinkCurrentThroughput: v->i = (int64_t)((double)payload_of(device) * 1e9 / (double)frame_period(device)); return true;
    case D_TimestampLatchValue: v->i = device->latched; return true;
    case D_SensorWidth: v->i = g.set.sensor_width; return true;
    case D_SensorHeight: v->i = g.set.sensor_height; return true;
    case D_WidthMax: v->i = g.set.sensor_width / at(map, D_BinningHorizontal); return true;
    case D_HeightMax: v->i = g.set.sensor_height / at(map, D_BinningVertical); return true;
    case D_PayloadSize: v->i = payload_of(device); return true;
    case D_AcquisitionResultingFrameRate: v->f = 1e9 / (double)frame_period(device); return true;
    case D_AcquisitionStatus: {
      const int64_t now = fake_now();
      const bool streaming = device->camera != NULL && device->camera->streaming;
      v->i = slot == 3   ? streaming && trigger_on(map) && trigger_ready(device, now)
             : slot == 4 ? now < device->readout_end
             : slot == 5 ? now >= device->exp_start && now < device->exp_end
             : slot == 2 ? now < device->transfer_end
             : slot == 1 ? streaming
                         : 0;
      return true;
    }
    case D_LineMode: v->i = slot == LINE1 || (slot == LINE2 && v->i == 1); return true;
    case D_LineFormat: v->i = slot < 2 ? 5 : slot == LINE2 ? 6 : 2; return true;
    case D_LineStatus: v->i = lines_of(device) >> slot & 1; return true;
    case D_LineStatusAll: v->i = lines_of(device); return true;
    case D_CounterValue: v->i = device->counter[slot & 1]; return true;
    case D_ChunkEnable: v->i |= slot == 0; return true;
    case D_UserOutputValueAll:
      v->i = 0;
      for (int n = 0; n < 4; n++) v->i |= map->states[D_UserOutputValue].at[n].i << n;
      return true;
    default: return false;
  }
}

static const char *text(Map *map, int id, char *space, size_t size) {
  switch (id) {
    case D_DeviceModelName: return g.set.model;
    case D_DeviceSerialNumber: return map->device->serial;
    case D_DeviceFirmwareVersion: return g.set.firmware;
    case D_DeviceVersion: snprintf(space, size, "FW:v%s FPGA:v2.02", g.set.firmware); return space;
    default: return NULL;
  }
}

// The colour under the first pixel: one more per mirrored axis.
static int bayer_now(const Map *map) { return FIRST_BAYER + (int)(at(map, D_ReverseX) + 2 * at(map, D_ReverseY)); }

static bool entry_offered(Map *map, int id, int ordinal) {
  if (id == D_PixelFormat && ordinal >= FIRST_BAYER && ordinal < FIRST_BAYER + 4) return ordinal == bayer_now(map);
  if (id == D_PixelFormat && (ordinal == 5 || ordinal == 6)) return bayer_now(map) == FIRST_BAYER;
  if (id == D_LineSource && ordinal >= 1 && ordinal <= 4) return ordinal - 1 != at(map, D_LineSelector);
  return true;
}

static void written(Map *map, int id) {
  Device *device = map->device;
  NodeState *s = map->states;
  switch (id) {
    case D_ReverseX:
    case D_ReverseY:
      if (s[D_PixelFormat].at[0].i >= FIRST_BAYER && s[D_PixelFormat].at[0].i < FIRST_BAYER + 4) s[D_PixelFormat].at[0].i = bayer_now(map);
      break;
    case D_BinningHorizontal:
      s[D_OffsetX].at[0].i = 0;
      s[D_Width].at[0].i = g.set.sensor_width / at(map, D_BinningHorizontal) / 16 * 16;
      break;
    case D_BinningVertical:
      s[D_OffsetY].at[0].i = 0;
      s[D_Height].at[0].i = g.set.sensor_height / at(map, D_BinningVertical) / 2 * 2;
      break;
    case D_ExposureAuto:
    case D_GainAuto:
    case D_BalanceWhiteAuto:
      device->auto_frames = 0;
      break;
    case D_UserOutputValueAll:
      for (int n = 0; n < 4; n++) s[D_UserOutputValue].at[n].i = s[id].at[0].i >> n & 1;
      break;
    case D_UserSetDefault:
      for (int n = 0; n < 3; n++) device->sets[n][id] = s[id];
      break;
    case D_CounterEventSource:
      device->counter[slot_of(map, id) & 1] = 0;
      break;
    default: break;
  }
  if (s[D_AcquisitionFrameRateEnable].at[0].i && s[D_ExposureAuto].at[0].i == 0) {
    // The rate gives way to an exposure, geometry or link it no longer fits.
    const double fastest = fastest_rate(device);
    if (s[D_AcquisitionFrameRate].at[0].f > fastest) s[D_AcquisitionFrameRate].at[0].f = fastest;
  }
  lines_changed(device);
  changed();
}

static void execute(Call *call, Map *map, int id) {
  Device *device = map->device;
  const int64_t set = at(map, D_UserSetSelector);
  device->busy_until = fake_now() + g.set.command_ms * MS;
  switch (id) {
    case D_TriggerSoftware:
      device->busy_until = 0;
      if (!software_trigger(device, fake_now())) note(call, "ignored: not ready");
      break;
    case D_TimestampLatch:
      device->latched = (int64_t)camera_clock(device, fake_now());
      break;
    case D_TimestampReset: device->power_up = fake_now(); break;
    case D_UserSetLoad:
      memcpy(device->nodes, device->sets[set], sizeof device->nodes);
      device->nodes[D_UserSetSelector].at[0].i = set;
      lines_changed(device);
      break;
    case D_UserSetSave: memcpy(device->sets[set], device->nodes, sizeof device->nodes); break;
    case D_DeviceReset:
      unplug(device);
      replug_after(device, g.set.reset_ms);
      break;
    default: break;
  }
}

const MapClass device_map = {"device", specs, D_COUNT, narrow, limits, value, text, entry_offered, written, execute};
