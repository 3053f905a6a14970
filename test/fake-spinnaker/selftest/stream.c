// Acquisition: order, clocks, buffers, triggers, pictures.
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "selftest.h"

static int64_t real_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static uint64_t timestamp(spinHandle image) {
  uint64_t ns = 0;
  OK(spinImageGetTimeStamp(image, &ns));
  return ns;
}

static int fire(Rig *rig) { return put(rig->map, "TriggerSoftware", ""); }

static void not_started(void) {
  Rig rig = rig_open();
  spinHandle image = &rig;
  EQUAL(spinCameraGetNextImageEx(rig.camera, 0, &image), SPIN_NOT_INITIALIZED);
  CONTAINS(last_message(), "Camera is not started. [-1002]");
  CHECK(image == NULL);
  EQUAL(spinCameraEndAcquisition(rig.camera), SPIN_NOT_INITIALIZED);
  rig_close(&rig);
}

static void timeouts(void) {
  Rig rig = rig_open();
  small(&rig, "software");
  OK(spinCameraBeginAcquisition(rig.camera));
  spinHandle image = &rig;
  tell("scale 100");  // a caller's timeout is the caller's time
  const int64_t before = real_ns();
  EQUAL(spinCameraGetNextImageEx(rig.camera, 60, &image), SPIN_TIMEOUT);
  CHECK(real_ns() - before >= 60000000);
  CHECK(image == NULL);
  CONTAINS(last_message(), "Spinnaker: Failed waiting for EventData on NEW_BUFFER_DATA event. [-1011]");
  EQUAL(spinCameraGetNextImageEx(rig.camera, 0, &image), SPIN_TIMEOUT);
  rig_close(&rig);
}

static void free_run(void) {
  tell("stride-padding = 32");
  Rig rig = rig_open();
  small(&rig, "off");
  OK(put(rig.map, "ChunkModeActive", "1"));
  OK(put(rig.map, "ChunkSelector", "ExposureTime"));
  OK(put(rig.map, "ChunkEnable", "1"));
  OK(put(rig.map, "ChunkSelector", "FrameID"));
  OK(put(rig.map, "ChunkEnable", "1"));
  OK(put(rig.stream, "StreamBufferCountManual", "1000"));
  OK(spinCameraBeginAcquisition(rig.camera));
  uint64_t last = 0;
  uint8_t *first_data = NULL;
  for (uint64_t i = 0; i < 20; i++) {
    spinHandle image = next(&rig, 5000);
    size_t width = 0, height = 0, stride = 0, bits = 0, size = 0, buffer = 0, padding = 0;
    uint64_t code = 0;
    int format = -1;
    spinBool incomplete = 1;
    char name[32];
    size_t length = sizeof name;
    uint8_t *data = NULL;
    OK(spinImageGetWidth(image, &width));
    OK(spinImageGetHeight(image, &height));
    OK(spinImageGetStride(image, &stride));
    OK(spinImageGetPaddingX(image, &padding));
    OK(spinImageGetBitsPerPixel(image, &bits));
    OK(spinImageGetSize(image, &size));
    OK(spinImageGetBufferSize(image, &buffer));
    OK(spinImageGetTLPixelFormat(image, &code));
    OK(spinImageGetPixelFormat(image, &format));
    OK(spinImageGetPixelFormatName(image, name, &length));
    OK(spinImageIsIncomplete(image, &incomplete));
    OK(spinImageGetData(image, (void **)&data));
    EQUAL(width, 256);
    EQUAL(height, 128);
    EQUAL(stride, 288);
    EQUAL(padding, 32);
    EQUAL(bits, 8);
    EQUAL(size, 288 * 128);
    EQUAL(buffer, 288 * 128 + 32);  // two chunks
    EQUAL(code, 0x01080009);
    EQUAL(format, 4);
    EQUAL(incomplete, 0);
    CHECK(strcmp(name, "BayerRG8") == 0);
    EQUAL(data[256], 0xEE);
    CHECK(i == 0 || data != first_data);
    if (i == 0) first_data = data;
    EQUAL(frame_id(image), i);
    EQUAL(stamp_of(image), i);
    const uint64_t ns = timestamp(image);
    if (i > 0) EQUAL(ns - last, 5000000);  // 200 a second, exactly
    last = ns;
    double exposure = 0, gain = 0;
    int64_t id = -1;
    OK(spinImageChunkDataGetFloatValue(image, "ChunkExposureTime", &exposure));
    OK(spinImageChunkDataGetIntValue(image, "ChunkFrameID", &id));
    CHECK(exposure == 1000);
    EQUAL(id, i);
    EQUAL(spinImageChunkDataGetFloatValue(image, "ChunkGain", &gain), SPIN_ERROR);
    CONTAINS(last_message(), "Image does not contain chunk data. [-1001]");
    OK(spinImageRelease(image));
  }
  OK(spinCameraEndAcquisition(rig.camera));
  // Numbers start again with each acquisition.
  OK(spinCameraBeginAcquisition(rig.camera));
  spinHandle image = next(&rig, 5000);
  EQUAL(frame_id(image), 0);
  CHECK(timestamp(image) > last);
  OK(spinImageRelease(image));
  rig_close(&rig);
  EQUAL(violation_count(), 0);
}

static void single_frame(void) {
  Rig rig = rig_open();
  small(&rig, "off");
  OK(put(rig.map, "AcquisitionMode", "MultiFrame"));
  OK(put(rig.map, "AcquisitionFrameCount", "3"));
  OK(spinCameraBeginAcquisition(rig.camera));
  spinHandle image = NULL;
  for (int i = 0; i < 3; i++) OK(spinImageRelease(next(&rig, 5000)));
  EQUAL(spinCameraGetNextImageEx(rig.camera, 60, &image), SPIN_TIMEOUT);
  rig_close(&rig);
}

static void automatics(void) {
  Rig rig = rig_open();
  small(&rig, "off");
  OK(put(rig.map, "ExposureAuto", "Once"));
  OK(put(rig.map, "AcquisitionFrameRate", "50"));
  OK(spinCameraBeginAcquisition(rig.camera));
  for (int i = 0; i < 6; i++) OK(spinImageRelease(next(&rig, 5000)));
  CHECK(strcmp(text_of(rig.map, "ExposureAuto"), "Off") == 0);
  CHECK(get(rig.map, "ExposureTime") != 1000);
  rig_close(&rig);
}

static void software_trigger(void) {
  Rig rig = rig_open();
  small(&rig, "software");
  OK(put(rig.map, "TriggerOverlap", "Off"));
  OK(put(rig.map, "ExposureTime", "500000"));
  OK(spinCameraBeginAcquisition(rig.camera));
  spinHandle image = NULL;
  EQUAL(spinCameraGetNextImageEx(rig.camera, 30, &image), SPIN_TIMEOUT);  // nothing by itself
  OK(put(rig.map, "AcquisitionStatusSelector", "FrameTriggerWait"));
  EQUAL(get(rig.map, "AcquisitionStatus"), 1);
  OK(fire(&rig));
  EQUAL(get(rig.map, "AcquisitionStatus"), 0);
  OK(fire(&rig));  // ignored without a word: it still exposes
  image = next(&rig, 5000);
  EQUAL(frame_id(image), 0);
  OK(spinImageRelease(image));
  EQUAL(number("\"ignored\":"), 1);
  EQUAL(spinCameraGetNextImageEx(rig.camera, 50, &image), SPIN_TIMEOUT);
  // Nor is one taken while it reads out, unless that may overlap.
  OK(put(rig.map, "ExposureTime", "1000"));
  tell("row-us = 4000");  // half a second of readout
  OK(fire(&rig));
  usleep(20000);
  OK(fire(&rig));
  OK(spinImageRelease(next(&rig, 5000)));
  EQUAL(number("\"ignored\":"), 2);
  // With the readout overlapped a trigger is taken as soon as the exposure is over.
  OK(put(rig.map, "TriggerOverlap", "ReadOut"));
  tell("row-us = 1000");  // 128 ms of readout
  OK(fire(&rig));
  usleep(20000);
  OK(fire(&rig));
  OK(spinImageRelease(next(&rig, 5000)));
  OK(spinImageRelease(next(&rig, 5000)));
  EQUAL(number("\"ignored\":"), 2);
  rig_close(&rig);
}

static void line_trigger(void) {
  Rig rig = rig_open();
  small(&rig, "line");
  OK(put(rig.map, "CounterSelector", "Counter0"));
  OK(put(rig.map, "CounterEventSource", "Line0"));
  OK(put(rig.stream, "StreamBufferCountManual", "100"));
  OK(spinCameraBeginAcquisition(rig.camera));
  tell("edges period-ms=8 jitter-ms=2 count=20");
  for (uint64_t i = 0; i < 20; i++) {
    spinHandle image = next(&rig, 5000);
    EQUAL(frame_id(image), i);
    OK(spinImageRelease(image));
  }
  EQUAL(get(rig.map, "CounterValue"), 20);
  // Contact bounce: without a filter the edges count, and those during the exposure are lost to the frames.
  tell("edges period-ms=20 count=5 bounces=3 bounce-us=100");
  wait_for("\"edges\":", 40);
  EQUAL(get(rig.map, "CounterValue"), 40);
  EQUAL(number("\"exposures\":"), 25);
  EQUAL(number("\"ignored\":"), 15);
  OK(put(rig.map, "LineSelector", "Line0"));
  OK(put(rig.map, "LineInputFilterSelector", "Debounce"));
  OK(put(rig.map, "LineFilterWidth", "1000"));
  usleep(5000);  // the last bounce is past
  tell("edges period-ms=20 count=5 bounces=3 bounce-us=100");
  wait_for("\"exposures\":", 30);
  EQUAL(number("\"edges\":"), 45);
  EQUAL(number("\"ignored\":"), 15);
  for (int i = 0; i < 10; i++) OK(spinImageRelease(next(&rig, 5000)));
  tell("trigger line=3");  // not the source
  EQUAL(number("\"exposures\":"), 30);
  rig_close(&rig);
}

// Six triggered frames into three buffers, nobody looking. Returns the ids that can be had then.
static int with_mode(const char *mode, uint64_t *ids, long long *lost, long long *dropped) {
  Rig rig = rig_open();
  small(&rig, "line");
  OK(put(rig.stream, "StreamBufferHandlingMode", mode));
  OK(put(rig.stream, "StreamBufferCountManual", "3"));
  OK(spinCameraBeginAcquisition(rig.camera));
  for (int i = 0; i < 6; i++) {
    tell("trigger");
    wait_for("\"started\":", i + 1);
    // Arrived when it is ready, lost or has pushed another out.
    for (int n = 0; n < 5000 && number("\"ready\":") + number("\"lost\":") + number("\"dropped\":") < i + 1; n++) usleep(1000);
  }
  int count = 0;
  spinHandle image;
  while (count < 6 && spinCameraGetNextImageEx(rig.camera, 0, &image) == SPIN_OK) {
    ids[count++] = frame_id(image);
    OK(spinImageRelease(image));
  }
  *lost = (long long)get(rig.stream, "StreamLostFrameCount");
  *dropped = (long long)get(rig.stream, "StreamDroppedFrameCount");
  EQUAL(get(rig.stream, "StreamStartedFrameCount"), 6);
  rig_close(&rig);
  return count;
}

static void buffer_modes(void) {
  uint64_t ids[6] = {0};
  long long lost, dropped;
  EQUAL(with_mode("OldestFirst", ids, &lost, &dropped), 3);
  CHECK(ids[0] == 0 && ids[1] == 1 && ids[2] == 2 && lost == 3 && dropped == 0);
  EQUAL(with_mode("OldestFirstOverwrite", ids, &lost, &dropped), 3);
  CHECK(ids[0] == 3 && ids[1] == 4 && ids[2] == 5 && lost == 0 && dropped == 3);
  EQUAL(with_mode("NewestOnly", ids, &lost, &dropped), 1);
  CHECK(ids[0] == 5 && lost == 0 && dropped == 5);
  EQUAL(with_mode("NewestFirst", ids, &lost, &dropped), 3);
  CHECK(ids[0] == 2 && ids[1] == 1 && ids[2] == 0 && lost == 3);
}

static void starved(void) {
  Rig rig = rig_open();
  small(&rig, "off");
  OK(put(rig.stream, "StreamBufferCountManual", "3"));
  OK(spinCameraBeginAcquisition(rig.camera));
  spinHandle held[3], image = NULL;
  for (int i = 0; i < 3; i++) held[i] = next(&rig, 5000);
  EQUAL(get(rig.stream, "StreamInputBufferCount"), 0);
  EQUAL(spinCameraGetNextImageEx(rig.camera, 60, &image), SPIN_TIMEOUT);
  CHECK(get(rig.stream, "StreamLostFrameCount") > 0);
  OK(spinImageRelease(held[1]));
  image = next(&rig, 5000);
  CHECK(frame_id(image) > 3);
  OK(spinImageRelease(image));
  OK(spinImageRelease(held[0]));
  OK(spinImageRelease(held[2]));
  rig_close(&rig);
  EQUAL(violation_count(), 0);
}

static uint8_t *released_data(Rig *rig) {
  small(rig, "software");
  OK(spinCameraBeginAcquisition(rig->camera));
  OK(fire(rig));
  spinHandle image = next(rig, 5000);
  uint8_t *data = NULL;
  OK(spinImageGetData(image, (void **)&data));
  CHECK(data[1000] != 0xDD);
  OK(spinImageRelease(image));
  return data;
}

static void poisoned(void) {
  Rig rig = rig_open();
  const uint8_t *data = released_data(&rig);
  for (int i = 0; i < 256 * 128; i += 97) EQUAL(data[i], 0xDD);
  rig_close(&rig);
}

// True if `read` from memory that is not there kills the process.
static bool kills(const uint8_t *address) {
  const pid_t child = fork();
  if (child == 0) {
    fclose(stderr);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    const volatile uint8_t byte = *(const volatile uint8_t *)address;
    (void)byte;
    _exit(0);
  }
  int how = 0;
  waitpid(child, &how, 0);
  return WIFSIGNALED(how);
}

static void protected(void) {
  tell("release = protect");
  Rig rig = rig_open();
  const uint8_t *data = released_data(&rig);
  CHECK(kills(data));
  OK(fire(&rig));
  spinHandle image = next(&rig, 5000);  // buffers come back to life
  OK(spinImageGetData(image, (void **)&data));
  CHECK(!kills(data + 256 * 128 - 1));
  CHECK(kills(data + 256 * 128));  // one past the end
  OK(spinImageRelease(image));
  rig_close(&rig);
}

static void scaled_clock(void) {
  Rig rig = rig_open();
  int64_t real[2], fake[2];
  tell("scale 50");
  for (int i = 0; i < 2; i++) {
    OK(put(rig.map, "TimestampLatch", ""));
    real[i] = real_ns();
    fake[i] = (int64_t)get(rig.map, "TimestampLatchValue");
    usleep(100000);
  }
  const double ratio = (double)(fake[1] - fake[0]) / (double)(real[1] - real[0]);
  CHECK(ratio > 25 && ratio < 100);
  rig_close(&rig);
}

static void from_files(void) {
  char folder[] = "/tmp/fake-frames-XXXXXX", path[200], reply[300];
  size_t length = sizeof reply;
  CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "frames = %s", folder);
  CHECK(fakeSpinCommand(path, reply, &length) != SPIN_OK);
  CONTAINS(reply, "no NAME_WIDTHxHEIGHT_BayerRG8.raw");
  static uint8_t bytes[128 * 64];
  for (int file = 0; file < 2; file++) {
    snprintf(path, sizeof path, "%s/part-%d_128x64_BayerRG8.raw", folder, file);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7 + (size_t)file * 50);
    FILE *to = fopen(path, "w");
    CHECK(to != NULL && fwrite(bytes, 1, sizeof bytes, to) == sizeof bytes);
    if (to != NULL) fclose(to);
  }
  tell("frames = %s", folder);
  tell("stamp = off");
  Rig rig = rig_open();
  EQUAL(get(rig.map, "SensorWidth"), 128);
  EQUAL(get(rig.map, "Height"), 64);
  OK(put(rig.map, "Width", "64"));
  OK(put(rig.map, "OffsetX", "8"));
  OK(put(rig.map, "TriggerMode", "On"));
  OK(spinCameraBeginAcquisition(rig.camera));
  for (int part = 0; part < 3; part++) {
    OK(fire(&rig));
    spinHandle image = next(&rig, 5000);
    const uint8_t *data = NULL;
    OK(spinImageGetData(image, (void **)&data));
    for (size_t y = 0; y < 64; y += 9) {
      for (size_t x = 0; x < 64; x += 5) EQUAL(data[y * 64 + x], (uint8_t)((y * 128 + x + 8) * 7 + (size_t)(part % 2) * 50));
    }
    OK(spinImageRelease(image));
  }
  rig_close(&rig);
  for (int file = 0; file < 2; file++) {
    snprintf(path, sizeof path, "%s/part-%d_128x64_BayerRG8.raw", folder, file);
    unlink(path);
  }
  rmdir(folder);
}

static void other_formats(void) {
  static const struct {
    const char *name;
    size_t bytes;  // of a row of 256
    uint64_t code;
  } formats[] = {{"Mono8", 256, 0x01080001}, {"BayerRG16", 512, 0x0110002F}, {"BayerRG12p", 384, 0x010C0059}, {"RGB8", 768, 0x02180014}};
  Rig rig = rig_open();
  small(&rig, "software");
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    OK(put(rig.map, "PixelFormat", formats[i].name));
    OK(spinCameraBeginAcquisition(rig.camera));
    OK(fire(&rig));
    spinHandle image = next(&rig, 5000);
    size_t stride = 0;
    uint64_t code = 0;
    const uint8_t *data = NULL;
    OK(spinImageGetStride(image, &stride));
    OK(spinImageGetTLPixelFormat(image, &code));
    OK(spinImageGetData(image, (void **)&data));
    EQUAL(stride, formats[i].bytes);
    EQUAL(code, formats[i].code);
    CHECK(data[127 * stride + stride - 1] != 0);
    OK(spinImageRelease(image));
    OK(spinCameraEndAcquisition(rig.camera));
  }
  OK(put(rig.map, "PixelFormat", "BayerRG8"));
  OK(put(rig.map, "BinningHorizontal", "2"));
  OK(put(rig.map, "BinningVertical", "2"));
  OK(put(rig.map, "ReverseX", "1"));
  OK(spinCameraBeginAcquisition(rig.camera));
  OK(fire(&rig));
  spinHandle image = next(&rig, 5000);
  size_t width = 0;
  OK(spinImageGetWidth(image, &width));
  EQUAL(width, 2048);
  OK(spinImageRelease(image));
  rig_close(&rig);
}

const Case stream_cases[] = {{"acquisition not started", not_started},
                             {"timeouts wait", timeouts},
                             {"free run", free_run},
                             {"a counted run", single_frame},
                             {"automatics once", automatics},
                             {"software trigger", software_trigger},
                             {"line trigger", line_trigger},
                             {"buffer handling modes", buffer_modes},
                             {"a consumer that keeps its images", starved},
                             {"released memory is poisoned", poisoned},
                             {"released memory is protected", protected},
                             {"a faster clock", scaled_clock},
                             {"frames from files", from_files},
                             {"other pixel formats", other_formats},
                             CASES_END};
