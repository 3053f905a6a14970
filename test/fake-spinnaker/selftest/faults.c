// Every scripted fault is seen by the caller.
#include "selftest.h"

static spinHandle shot(Rig *rig) {
  OK(put(rig->map, "TriggerSoftware", ""));
  return next(rig, 5000);
}

static Rig ready(void) {
  Rig rig = rig_open();
  small(&rig, "software");
  OK(put(rig.map, "ChunkModeActive", "1"));
  OK(put(rig.map, "ChunkSelector", "CRC"));
  OK(put(rig.map, "ChunkEnable", "1"));
  OK(put(rig.map, "ChunkSelector", "FrameID"));
  OK(put(rig.map, "ChunkEnable", "1"));
  OK(spinCameraBeginAcquisition(rig.camera));
  return rig;
}

static void bad_commands(void) {
  static const char *const bad[] = {"nonsense", "fault", "fault melted", "fault frozen count=x", "fault random rate=2", "fail CameraInit", "fail CameraInit 5",
                                    "fail NoSuchCall -1010", "hang NoSuchCall", "set colour red", "set temperature hot", "set stride-padding 1.5",
                                    "set threads two", "scale 0", "scale fast", "unplug 99", "trigger line=7", "edges", "edges period-ms=0", "after", "after soon unplug",
                                    "access Width maybe", "access NoSuchNode ro", "version = 4", "control = /nonexistent/x", "frames = /nonexistent", "run /nonexistent"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char reply[400] = "";
    size_t length = sizeof reply;
    if (fakeSpinCommand(bad[i], reply, &length) == SPIN_OK) failed(__FILE__, __LINE__, "%s was taken", bad[i]);
    if (reply[0] == 0) failed(__FILE__, __LINE__, "%s was refused without a word", bad[i]);
  }
  ask("");
  tell("# a remark");
  CONTAINS(ask("help"), "unplug");
  Rig rig = rig_open();
  char reply[400];
  size_t length = sizeof reply;
  CHECK(fakeSpinCommand("sensor-width = 128", reply, &length) != SPIN_OK);
  CHECK(fakeSpinCommand("reset", reply, &length) != SPIN_OK);
  rig_close(&rig);
  tell("reset");
}

static void spoiled_frames(void) {
  Rig rig = ready();
  size_t width = 0, height = 0, size = 0, buffer = 0, valid = 0, length;
  int status = 0;
  spinBool yes = 0;
  uint8_t *data = NULL;
  char text[64];

  spinHandle image = shot(&rig);
  OK(spinImageHasCRC(image, &yes));
  EQUAL(yes, 1);
  yes = 0;
  OK(spinImageCheckCRC(image, &yes));
  EQUAL(yes, 1);
  OK(spinImageRelease(image));

  tell("fault incomplete value=3");
  image = shot(&rig);
  OK(spinImageIsIncomplete(image, &yes));
  OK(spinImageGetStatus(image, &status));
  OK(spinImageGetValidPayloadSize(image, &valid));
  OK(spinImageGetData(image, (void **)&data));
  EQUAL(yes, 1);
  EQUAL(status, SPIN_IMAGE_MISSING_PACKETS);
  EQUAL(valid, 256 * 64);
  CHECK(data[10000] != 0 && data[256 * 100 + 5] != data[256 * 10 + 5]);  // below the middle nothing new
  length = sizeof text;
  OK(spinImageGetStatusDescription(status, text, &length));
  CHECK(strcmp(text, "Missing packets") == 0);
  OK(spinImageRelease(image));

  tell("fault crc");
  image = shot(&rig);
  OK(spinImageCheckCRC(image, &yes));
  EQUAL(yes, 0);
  OK(spinImageRelease(image));

  tell("fault wrong-size value=128 value2=64");
  image = shot(&rig);
  OK(spinImageGetWidth(image, &width));
  OK(spinImageGetHeight(image, &height));
  CHECK(width == 128 && height == 64);
  OK(spinImageRelease(image));

  tell("fault wrong-format");
  image = shot(&rig);
  length = sizeof text;
  OK(spinImageGetPixelFormatName(image, text, &length));
  CHECK(strcmp(text, "Mono8") == 0);
  OK(spinImageRelease(image));

  tell("fault zero-size");
  image = shot(&rig);
  OK(spinImageGetWidth(image, &width));
  OK(spinImageGetSize(image, &size));
  CHECK(width == 0 && size == 0);
  OK(spinImageRelease(image));

  tell("fault short");
  image = shot(&rig);
  OK(spinImageGetHeight(image, &height));
  OK(spinImageGetBufferSize(image, &buffer));
  CHECK(height == 128 && buffer == 256 * 64);
  OK(spinImageRelease(image));

  tell("fault chunk-missing");
  image = shot(&rig);
  int64_t id;
  EQUAL(spinImageChunkDataGetIntValue(image, "ChunkFrameID", &id), SPIN_ERROR);
  OK(spinImageRelease(image));
  image = shot(&rig);
  OK(spinImageChunkDataGetIntValue(image, "ChunkFrameID", &id));
  OK(spinImageRelease(image));
  rig_close(&rig);
  EQUAL(violation_count(), 0);
}

static void numbering(void) {
  Rig rig = ready();
  spinHandle image = shot(&rig);
  EQUAL(frame_id(image), 0);
  OK(spinImageRelease(image));
  tell("fault gap value=5");
  image = shot(&rig);
  EQUAL(frame_id(image), 6);
  OK(spinImageRelease(image));
  tell("fault duplicate");
  image = shot(&rig);
  EQUAL(frame_id(image), 6);
  OK(spinImageRelease(image));
  tell("fault lost");
  OK(put(rig.map, "TriggerSoftware", ""));
  EQUAL(spinCameraGetNextImageEx(rig.camera, 60, &image), SPIN_TIMEOUT);
  EQUAL(get(rig.stream, "StreamLostFrameCount"), 1);
  image = shot(&rig);
  EQUAL(frame_id(image), 8);
  OK(spinImageRelease(image));
  tell("fault slow value=800");
  OK(put(rig.map, "TriggerSoftware", ""));
  EQUAL(spinCameraGetNextImageEx(rig.camera, 30, &image), SPIN_TIMEOUT);
  OK(spinImageRelease(next(&rig, 5000)));
  // At an exposure that is named, and several times.
  const long long now = number("\"exposures\":");
  tell("fault incomplete at=%lld count=2", now + 1);
  static const int wanted[] = {0, 9, 9, 0};
  for (int i = 0; i < 4; i++) {
    int status = -5;
    image = shot(&rig);
    OK(spinImageGetStatus(image, &status));
    EQUAL(status, wanted[i]);
    OK(spinImageRelease(image));
  }
  rig_close(&rig);
}

static void frozen(void) {
  Rig rig = ready();
  static uint8_t before[256 * 128];
  uint8_t *data = NULL;
  uint64_t id = 0;
  for (int i = 0; i < 4; i++) {
    if (i == 1) tell("fault frozen count=2");
    spinHandle image = shot(&rig);
    OK(spinImageGetData(image, (void **)&data));
    const bool same = memcmp(before, data, sizeof before) == 0;
    CHECK(same == (i == 1 || i == 2));
    memcpy(before, data, sizeof before);
    CHECK(i == 0 || frame_id(image) == id + 1);  // the camera counts on
    id = frame_id(image);
    OK(spinImageRelease(image));
  }
  rig_close(&rig);
}

static void failing_calls(void) {
  Rig rig = {0};
  rig_system(&rig);
  OK(spinCameraListGet(rig.list, 0, &rig.camera));
  tell("fail CameraInit -1010 times=2 Could not open the device");
  EQUAL(spinCameraInit(rig.camera), SPIN_IO);
  CONTAINS(last_message(), "Spinnaker: Could not open the device [-1010]");
  EQUAL(spinCameraInit(rig.camera), SPIN_IO);
  tell("busy = on");
  EQUAL(spinCameraInit(rig.camera), SPIN_ACCESS_DENIED);
  tell("busy = off");
  OK(spinCameraInit(rig.camera));
  OK(spinCameraGetNodeMap(rig.camera, &rig.map));
  tell("fail NodeFromString -2006 skip=1 times=always");
  OK(put(rig.map, "ReverseX", "0"));
  EQUAL(put(rig.map, "ReverseX", "0"), SPIN_GENICAM_ACCESS);
  EQUAL(put(rig.map, "ReverseX", "0"), SPIN_GENICAM_ACCESS);
  // The text is shared by all threads: it may be another's by the time it is read.
  tell("overwrite-error");
  EQUAL(put(rig.map, "ReverseX", "0"), SPIN_GENICAM_ACCESS);
  CONTAINS(last_message(), "EVENT_REMOTE_DEVICE");
  rig_close(&rig);
}

static void *free_it(void *hung) {
  while (number("\"inside\":") == 0) usleep(1000);
  __atomic_store_n((int *)hung, 1, __ATOMIC_SEQ_CST);
  ask("unhang");
  return NULL;
}

static void hanging_calls(void) {
  Rig rig = ready();
  tell("hang CameraGetNextImageEx");
  int hung = 0;
  pthread_t thread;
  pthread_create(&thread, NULL, free_it, &hung);
  spinHandle image = NULL;
  EQUAL(spinCameraGetNextImageEx(rig.camera, 0, &image), SPIN_TIMEOUT);  // long after its timeout
  CHECK(__atomic_load_n(&hung, __ATOMIC_SEQ_CST) == 1);
  pthread_join(thread, NULL);
  tell("hang CameraIsValid ms=30");
  spinBool valid = 0;
  OK(spinCameraIsValid(rig.camera, &valid));
  EQUAL(valid, 1);
  rig_close(&rig);
}

static void environment(void) {
  unsetenv("SPINNAKER_GENTL64_CTI");
  tell("require-cti = on");
  Rig rig = {0};
  EQUAL(spinSystemGetInstance(&rig.system), SPIN_ABORT);
  CONTAINS(last_message(), "make sure the environment variable SPINNAKER_GENTL64_CTI exists");
  setenv("SPINNAKER_GENTL64_CTI", "/somewhere/Spinnaker_GenTL.cti", 1);
  tell("version = 2.7.0.128");
  OK(spinSystemGetInstance(&rig.system) == SPIN_ABORT ? 0 : 1);  // version 3 and earlier have another variable
  setenv("FLIR_GENTL64_CTI", "/somewhere/FLIR_GenTL.cti", 1);
  OK(spinSystemGetInstance(&rig.system));
  spinVersion version = {0};
  OK(spinSystemGetLibraryVersion(rig.system, &version));
  EQUAL(version.major, 2);
  EQUAL(version.build, 128);
  OK(spinSystemReleaseInstance(rig.system));
}

static char logged[400];
static bool log_came;
static void on_log(spinHandle data, void *user) {
  size_t length = sizeof logged;
  (void)user;
  spinLogDataGetLogMessage(data, logged, &length);
  __atomic_store_n(&log_came, true, __ATOMIC_SEQ_CST);
}

static void usbfs(void) {
  tell("usbfs-mb = 16");
  tell("threads = any");  // the log callback asks its event
  Rig rig = rig_open();
  spinHandle handler = NULL;
  OK(spinLogEventHandlerCreate(&handler, on_log, NULL));
  OK(spinSystemRegisterLogEventHandler(rig.system, handler));
  EQUAL(spinCameraBeginAcquisition(rig.camera), SPIN_IO);
  CONTAINS(last_message(), "Could not start acquisition. Please try reconnecting the device. [-1010]");
  for (int i = 0; i < 5000 && !__atomic_load_n(&log_came, __ATOMIC_SEQ_CST); i++) usleep(1000);
  OK(spinSystemUnregisterLogEventHandler(rig.system, handler));  // waits for a callback under way
  OK(spinLogEventHandlerDestroy(handler));
  CONTAINS(logged, "Try increasing usbfs_memory_mb");
  tell("usbfs-mb = 256");
  OK(spinCameraBeginAcquisition(rig.camera));
  rig_close(&rig);
}

// What a careful user makes of a frame: a fault it can see, or none.
static const char *judge(spinHandle image, uint64_t expected_id, uint32_t *last_stamp) {
  int status = 0;
  size_t width = 0, height = 0, stride = 0, buffer = 0, length = 32;
  char format[32];
  OK(spinImageGetStatus(image, &status));
  OK(spinImageGetWidth(image, &width));
  OK(spinImageGetHeight(image, &height));
  OK(spinImageGetStride(image, &stride));
  OK(spinImageGetBufferSize(image, &buffer));
  OK(spinImageGetPixelFormatName(image, format, &length));
  if (status != 0) return "incomplete";
  if (width == 0) return "zero-size";
  if (width != 256 || height != 128) return "wrong-size";
  if (strcmp(format, "BayerRG8") != 0) return "wrong-format";
  if (stride * height > buffer) return "short";
  const uint32_t stamp = stamp_of(image);
  if (stamp == *last_stamp) return "frozen";
  *last_stamp = stamp;
  const uint64_t id = frame_id(image);
  return id > expected_id ? "gap" : id < expected_id ? "duplicate" : "";
}

static void random_run(void) {
  Rig rig = ready();
  tell("scale 50");
  tell("fault random rate=0.4 seed=7");
  static const char *const kinds[] = {"", "incomplete", "frozen", "gap", "duplicate", "wrong-size", "wrong-format", "zero-size", "short"};
  int counts[9] = {0}, lost = 0;
  uint64_t expected = 0;
  uint32_t stamp = UINT32_MAX;
  for (int i = 0; i < 1000; i++) {
    spinHandle image = NULL;
    OK(put(rig.map, "TriggerSoftware", ""));
    int code;
    int waits = 0;
    while ((code = spinCameraGetNextImageEx(rig.camera, 20, &image)) == SPIN_TIMEOUT && ++waits < 200 && (int)get(rig.stream, "StreamLostFrameCount") == lost) {
    }
    if (code == SPIN_TIMEOUT) {
      CHECK((int)get(rig.stream, "StreamLostFrameCount") == lost + 1);
      lost++;
      expected++;
      continue;
    }
    OK(code);
    const char *kind = judge(image, expected, &stamp);
    for (int k = 0; k < 9; k++) counts[k] += strcmp(kinds[k], kind) == 0;
    expected = frame_id(image) + 1;
    OK(spinImageRelease(image));
  }
  // All kinds turn up, in about the numbers asked for.
  for (int k = 1; k < 9; k++) {
    if (counts[k] < 10) failed(__FILE__, __LINE__, "%s only %d times", kinds[k], counts[k]);
  }
  CHECK(lost > 10);
  CHECK(counts[0] > 500 && counts[0] < 700);
  rig_close(&rig);
  EQUAL(violation_count(), 0);
}

const Case fault_cases[] = {{"commands that cannot be", bad_commands},
                            {"spoiled frames", spoiled_frames},
                            {"numbers of frames", numbering},
                            {"a frozen picture", frozen},
                            {"calls that fail", failing_calls},
                            {"calls that hang", hanging_calls},
                            {"the producer's variable and old versions", environment},
                            {"too little memory for the bus", usbfs},
                            {"random faults", random_run},
                            CASES_END};
