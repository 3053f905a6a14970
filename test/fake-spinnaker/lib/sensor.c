// When the camera exposes, reads out and sends. Readout and transfer overlap the next exposure as far as TriggerOverlap allows.
#include <math.h>
#include <string.h>

#include "fake.h"

#define FRAME_START 1
#define CAMERA_MEMORY 240e6  // bytes of frames that wait in the camera

const char *const format_names[] = {"Mono8", "BayerRG8", "BayerGR8", "BayerGB8", "BayerBG8", "BayerRG16", "BayerRG12p", "RGB8"};
const uint32_t format_codes[] = {0x01080001, 0x01080009, 0x01080008, 0x0108000A, 0x0108000B, 0x0110002F, 0x010C0059, 0x02180014};
const int format_ordinals[] = {0, 4, 3, 5, 6, 8, 21, 63};

int bits_of(int format) { return (int)(format_codes[format] >> 16 & 0xFF); }

static int64_t integer(const Device *device, int id) { return device->nodes[id].at[0].i; }

int64_t payload_of(const Device *device) {
  const int64_t stride = integer(device, D_Width) * bits_of((int)integer(device, D_PixelFormat)) / 8 + g.set.stride_padding;
  int64_t bytes = stride * integer(device, D_Height);
  if (integer(device, D_ChunkModeActive)) {
    for (int i = 1; i < MAX_SLOTS; i++) bytes += device->nodes[D_ChunkEnable].at[i].i ? 16 : 0;
  }
  return bytes;
}

double link_of(const Device *device) {
  const double usb = g.set.usb2 ? 38e6 : g.set.max_link;
  const double limit = (double)integer(device, D_DeviceLinkThroughputLimit);
  return integer(device, D_DeviceLinkThroughputLimitMode) == 0 && limit < usb ? limit : usb;
}

static int64_t exposure_ns(const Device *device) { return (int64_t)(device->nodes[D_ExposureTime].at[0].f * 1e3); }
static int64_t readout_ns(const Device *device) {
  return (int64_t)((double)(integer(device, D_Height) * integer(device, D_BinningVertical)) * g.set.row_us * 1e3);
}
static int64_t transfer_ns(const Device *device) { return (int64_t)((double)payload_of(device) * 1e9 / link_of(device)); }

static int64_t shortest_period(const Device *device) {
  int64_t ns = exposure_ns(device) + 20000;
  if (readout_ns(device) > ns) ns = readout_ns(device);
  if (transfer_ns(device) > ns) ns = transfer_ns(device);
  return ns;
}

double fastest_rate(const Device *device) { return 1e9 / (double)shortest_period(device); }

int64_t frame_period(const Device *device) {
  const int64_t shortest = shortest_period(device);
  if (!integer(device, D_AcquisitionFrameRateEnable)) return shortest;
  const int64_t wanted = (int64_t)(1e9 / device->nodes[D_AcquisitionFrameRate].at[0].f);
  return wanted > shortest ? wanted : shortest;
}

bool trigger_ready(const Device *device, int64_t at) {
  const Camera *camera = device->camera;
  if (camera == NULL || !camera->streaming || camera->ending || camera->cut || g.set.silent || device->frames_left == 0) return false;
  if (camera->flying >= MAX_INFLIGHT || (double)camera->flying * (double)payload_of(device) > CAMERA_MEMORY) return false;
  const bool overlap = device->nodes[D_TriggerOverlap].at[FRAME_START].i != 0;
  return at >= (overlap ? device->exp_end : device->readout_end);
}

// Auto functions at work: "Once" ends after some frames, "Continuous" never rests.
static void automatics(Device *device) {
  static const int ids[] = {D_ExposureAuto, D_GainAuto, D_BalanceWhiteAuto};
  device->auto_frames++;
  for (int i = 0; i < COUNT_OF(ids); i++) {
    int64_t *mode = &device->nodes[ids[i]].at[0].i;
    if (*mode == 0) continue;
    const double wobble = *mode == 2 ? sin((double)device->exposures / 10.) : 0;
    if (ids[i] == D_ExposureAuto) device->nodes[D_ExposureTime].at[0].f = floor(8000 + 300 * wobble);
    if (ids[i] == D_GainAuto) device->nodes[D_Gain].at[0].f = 2 + 0.5 * wobble;
    if (ids[i] == D_BalanceWhiteAuto) {
      device->nodes[D_BalanceRatio].at[0].f = 1.35 + 0.02 * wobble;
      device->nodes[D_BalanceRatio].at[1].f = 1.71 - 0.02 * wobble;
    }
    if (*mode == 1 && device->auto_frames >= 5) *mode = 0;
  }
}

// What the camera's counter shows at a moment of the fake's clock, ns.
uint64_t camera_clock(const Device *device, int64_t at) {
  if (g.set.real_stamps) return (uint64_t)real_of(at);
  return (uint64_t)((double)(at - device->power_up) * (1 + g.set.clock_ppm * 1e-6));
}

bool expose(Device *device, int64_t at) {
  Camera *camera = device->camera;
  if (!trigger_ready(device, FOREVER)) return false;  // streaming, plugged, room in the camera's memory
  automatics(device);
  const int64_t exposure = exposure_ns(device);
  const int64_t readout = readout_ns(device);
  // Two frames cannot be read out at once: the exposure is put off until it ends with the readout before it.
  const int64_t start = device->readout_end - exposure > at ? device->readout_end - exposure : at;
  Inflight frame = {.start = start, .exposed = start + exposure, .serial = device->exposures, .buffer = -1};
  frame.fault = next_fault(device->exposures);
  const char *fault = frame.fault.name;
  if (strcmp(fault, "gap") == 0) device->next_id += frame.fault.value > 0 ? (uint64_t)frame.fault.value : 1;
  if (strcmp(fault, "duplicate") == 0 && device->next_id > 0) device->next_id--;
  frame.id = device->next_id++;
  frame.transfer = frame.exposed > device->transfer_end ? frame.exposed : device->transfer_end;
  device->transfer_end = frame.transfer + transfer_ns(device);
  device->exp_start = start;
  device->exp_end = frame.exposed;
  device->readout_end = frame.exposed + readout;
  frame.arrival = device->transfer_end > device->readout_end ? device->transfer_end : device->readout_end;
  if (strcmp(fault, "slow") == 0) frame.arrival += (int64_t)((frame.fault.value > 0 ? frame.fault.value : 100) * 1e6);
  const int64_t stamped = g.set.stamp_start ? start : frame.exposed;
  frame.camera_ns = camera_clock(device, stamped);
  frame.exposure_us = device->nodes[D_ExposureTime].at[0].f;
  frame.gain = device->nodes[D_Gain].at[0].f;
  frame.black = device->nodes[D_BlackLevel].at[0].f;
  frame.lines = lines_of(device);
  if (device->frames_left > 0) device->frames_left--;
  camera->inflight[camera->flying++] = frame;
  exposure_made(device->exposures++);
  changed();
  return true;
}

static bool trigger(Device *device, int64_t at) {
  if (!trigger_ready(device, at)) {
    device->ignored++;
    log_line("\"ignored\":\"trigger\",\"serial\":\"%s\"", device->serial);
    return false;
  }
  return expose(device, at + (int64_t)(device->nodes[D_TriggerDelay].at[FRAME_START].f * 1e3));
}

bool software_trigger(Device *device, int64_t at) { return trigger(device, at); }

void trigger_input(Device *device, int line, int64_t at) {
  const int64_t width = (int64_t)(device->nodes[D_LineFilterWidth].at[line].f * 1e3);
  const int64_t since = at - device->last_edge[line];
  device->last_edge[line] = at;
  if (!device->present || (width > 0 && since < width)) return;
  device->edges++;
  log_line("\"edge\":\"Line%d\",\"serial\":\"%s\"", line, device->serial);
  for (int n = 0; n < 2; n++) {
    if (device->nodes[D_CounterEventSource].at[n].i == 2 + line) device->counter[n]++;
  }
  const bool wanted = device->nodes[D_TriggerMode].at[FRAME_START].i == 1 && device->nodes[D_TriggerSource].at[FRAME_START].i == 1 + line;
  if (wanted) trigger(device, at);
}

// Level of each line, bit n = Line n. Inputs rest low; without power nothing drives an output.
static int64_t levels(const Device *device, bool strobe) {
  if (!device->present) return 0;
  int64_t all = 0;
  for (int line = 1; line <= 2; line++) {
    if (line == 2 && device->nodes[D_LineMode].at[2].i != 1) continue;
    const int64_t source = device->nodes[D_LineSource].at[line].i;
    int64_t level = 0;
    if (source >= 5 && source <= 8) level = device->nodes[D_UserOutputValue].at[source - 5].i;
    if (source == 13) level = strobe;
    all |= (level ^ device->nodes[D_LineInverter].at[line].i) << line;
  }
  return all;
}

int64_t lines_of(const Device *device) {
  const int64_t now = fake_now();
  return levels(device, now >= device->exp_start && now < device->exp_end);
}

// Tells the log of every change of an output, but for strobes.
void lines_changed(Device *device) {
  const int64_t now = levels(device, false);
  for (int line = 1; line <= 2; line++) {
    if (((now ^ device->line_levels) >> line & 1) == 0) continue;
    log_line("\"line\":\"Line%d\",\"level\":%d,\"serial\":\"%s\"", line, (int)(now >> line & 1), device->serial);
  }
  device->line_levels = now;
}
