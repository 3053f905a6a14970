// Features as GenICam has them.
#include "selftest.h"

static void unknown_nodes(void) {
  Rig rig = rig_open();
  spinHandle node = &rig, entry = &rig;
  OK(spinNodeMapGetNode(rig.map, "NoSuchFeature", &node));
  CHECK(node == NULL);
  spinBool yes;
  EQUAL(spinNodeIsAvailable(node, &yes), SPIN_INVALID_HANDLE);
  OK(spinNodeMapGetNode(rig.map, "TriggerMode", &node));
  OK(spinEnumerationGetEntryByName(node, "on", &entry));  // case matters
  CHECK(entry == NULL);
  EQUAL(spinEnumerationGetEntryByIndex(node, 2, &entry), SPIN_INVALID_INDEX);
  OK(spinNodeMapReleaseNode(rig.map, node));
  rig_close(&rig);
}

static void wrong_types(void) {
  Rig rig = rig_open();
  spinHandle node = NULL;
  OK(spinNodeMapGetNode(rig.map, "Width", &node));
  double f;
  EQUAL(spinFloatGetValue(node, &f), SPIN_INVALID_HANDLE);
  CONTAINS(last_message(), "Incorrect handle exception thrown. Expected: Float node handle");
  EQUAL(spinCommandExecute(node), SPIN_INVALID_HANDLE);
  EQUAL(put(rig.map, "Width", "wide"), SPIN_GENICAM_INVALID_ARGUMENT);
  EQUAL(put(rig.map, "ExposureAuto", "off"), SPIN_GENICAM_INVALID_ARGUMENT);
  CONTAINS(last_message(),
           "Spinnaker: GenICam::InvalidArgumentException= Feature 'ExposureAuto' : cannot convert value 'off', the value is invalid. : "
           "InvalidArgumentException thrown in node 'ExposureAuto' while calling 'ExposureAuto.FromString()'");
  OK(spinNodeMapReleaseNode(rig.map, node));
  rig_close(&rig);
}

static void fetched_unavailable(void) {
  Rig rig = rig_open();
  spinHandle node = NULL, again = NULL;
  OK(spinNodeMapGetNode(rig.map, "TriggerSoftware", &node));
  spinBool available = 1;
  OK(spinNodeIsAvailable(node, &available));
  EQUAL(available, 0);
  OK(put(rig.map, "TriggerMode", "On"));
  OK(spinNodeIsAvailable(node, &available));
  EQUAL(available, 1);
  EQUAL(spinCommandExecute(node), SPIN_INVALID_HANDLE);  // typed when it was fetched, for good
  OK(spinNodeMapGetNode(rig.map, "TriggerSoftware", &again));
  OK(spinCommandExecute(again));
  OK(spinNodeMapReleaseNode(rig.map, node));
  OK(spinNodeMapReleaseNode(rig.map, again));
  rig_close(&rig);
}

static void texts(void) {
  Rig rig = rig_open();
  spinHandle node = NULL;
  OK(spinNodeMapGetNode(rig.map, "DeviceSerialNumber", &node));
  size_t length = 0;
  OK(spinStringGetValue(node, NULL, &length));
  EQUAL(length, 9);
  char text[16] = "untouched";
  length = 8;
  EQUAL(spinStringGetValue(node, text, &length), SPIN_BUFFER_TOO_SMALL);
  CHECK(strcmp(text, "untouched") == 0);
  length = sizeof text;
  OK(spinStringGetValue(node, text, &length));
  EQUAL(length, 9);
  CHECK(strcmp(text, "21234567") == 0);
  EQUAL(spinStringGetValue(node, text, NULL), SPIN_INVALID_PARAMETER);
  EQUAL(spinStringSetValue(node, "x"), SPIN_GENICAM_ACCESS);
  OK(spinNodeMapReleaseNode(rig.map, node));
  OK(put(rig.map, "DeviceUserID", "gate 3"));
  CHECK(strcmp(text_of(rig.map, "DeviceUserID"), "gate 3") == 0);
  rig_close(&rig);
}

static void integers_of_entries(void) {
  Rig rig = rig_open();
  spinHandle node = NULL, entry = NULL;
  OK(spinNodeMapGetNode(rig.map, "TriggerMode", &node));
  EQUAL(spinEnumerationSetIntValue(node, 1), SPIN_GENICAM_INVALID_ARGUMENT);  // an ordinal is not the camera's number
  int64_t value = 0;
  size_t ordinal = 9;
  OK(spinEnumerationGetEntryByName(node, "On", &entry));
  OK(spinEnumerationEntryGetIntValue(entry, &value));
  OK(spinEnumerationEntryGetEnumValue(entry, &ordinal));
  EQUAL(ordinal, 1);
  CHECK(value != 1);
  OK(spinEnumerationSetIntValue(node, value));
  CHECK(strcmp(text_of(rig.map, "TriggerMode"), "On") == 0);
  OK(spinEnumerationSetEnumValue(node, 0));
  OK(spinEnumerationReleaseNode(node, entry));
  OK(spinNodeMapReleaseNode(rig.map, node));
  rig_close(&rig);
}

static void ranges(void) {
  Rig rig = rig_open();
  EQUAL(put(rig.map, "Width", "4112"), SPIN_GENICAM_OUT_OF_RANGE);
  CONTAINS(last_message(), "Value = 4112 must be equal or smaller than Max = 4096. : OutOfRangeException thrown in node 'Width'");
  EQUAL(put(rig.map, "Width", "1"), SPIN_GENICAM_OUT_OF_RANGE);
  EQUAL(put(rig.map, "Width", "1001"), SPIN_GENICAM_OUT_OF_RANGE);
  CONTAINS(last_message(), "must be dividable without rest by Inc = 16");
  EQUAL(put(rig.map, "OffsetX", "4"), SPIN_GENICAM_OUT_OF_RANGE);  // the width leaves no room
  OK(put(rig.map, "Width", "1024"));
  EQUAL(limit(rig.map, "OffsetX", true), 4096 - 1024);
  OK(put(rig.map, "OffsetX", "1000"));
  EQUAL(limit(rig.map, "Width", true), 3088);  // 4096 - 1000, in steps of 16 from 64
  EQUAL(get(rig.map, "PayloadSize"), 1024 * 2160);
  OK(put(rig.map, "ExposureAuto", "Off"));
  OK(put(rig.map, "ExposureTime", "5000.7"));
  CHECK(get(rig.map, "ExposureTime") == 5000);  // the camera rounds
  EQUAL(put(rig.map, "ExposureTime", "nan"), SPIN_GENICAM_OUT_OF_RANGE);
  EQUAL(put(rig.map, "ExposureTime", "1"), SPIN_GENICAM_OUT_OF_RANGE);
  OK(put(rig.map, "AcquisitionFrameRateEnable", "true"));
  OK(put(rig.map, "AcquisitionFrameRate", "20"));
  EQUAL(limit(rig.map, "ExposureTime", true), 49970);  // one period
  OK(put(rig.map, "BinningHorizontal", "2"));
  EQUAL(get(rig.map, "WidthMax"), 2048);
  EQUAL(get(rig.map, "Width"), 2048);
  rig_close(&rig);
}

static void dependencies(void) {
  Rig rig = rig_open();
  // Out of the box the automatics run.
  CHECK(!writable(rig.map, "ExposureTime") && !writable(rig.map, "Gain") && !writable(rig.map, "BalanceRatio"));
  EQUAL(put(rig.map, "ExposureTime", "100"), SPIN_GENICAM_ACCESS);
  CONTAINS(last_message(), "GenICam::AccessException= Node is not writable. : AccessException thrown in node 'ExposureTime'");
  OK(put(rig.map, "ExposureAuto", "Off"));
  OK(put(rig.map, "GainAuto", "Off"));
  OK(put(rig.map, "BalanceWhiteAuto", "Off"));
  CHECK(writable(rig.map, "ExposureTime") && writable(rig.map, "Gain") && writable(rig.map, "BalanceRatio"));
  CHECK(!writable(rig.map, "AcquisitionFrameRate"));
  OK(put(rig.map, "AcquisitionFrameRateEnable", "1"));
  CHECK(writable(rig.map, "AcquisitionFrameRate"));
  CHECK(writable(rig.map, "TriggerSource") && !writable(rig.map, "TriggerSoftware"));
  OK(put(rig.map, "TriggerMode", "On"));
  CHECK(!writable(rig.map, "TriggerSource") && !writable(rig.map, "TriggerActivation") && writable(rig.map, "TriggerSoftware"));
  EQUAL(put(rig.map, "TriggerSource", "Line0"), SPIN_GENICAM_ACCESS);
  CHECK(!writable(rig.map, "ChunkEnable"));
  OK(put(rig.map, "ChunkModeActive", "1"));
  OK(put(rig.map, "ChunkSelector", "Gain"));
  CHECK(writable(rig.map, "ChunkEnable"));
  OK(put(rig.map, "ChunkSelector", "Image"));
  CHECK(!writable(rig.map, "ChunkEnable"));
  EQUAL(get(rig.map, "ChunkEnable"), 1);
  OK(put(rig.map, "LineSelector", "Line0"));
  CHECK(!writable(rig.map, "LineMode") && !writable(rig.map, "LineSource") && writable(rig.map, "LineFilterWidth"));
  OK(put(rig.map, "LineSelector", "Line1"));
  CHECK(!writable(rig.map, "LineMode") && writable(rig.map, "LineSource") && !writable(rig.map, "LineFilterWidth"));
  OK(put(rig.map, "LineSelector", "Line2"));
  CHECK(writable(rig.map, "LineMode") && !writable(rig.map, "LineSource"));
  tell("access Gamma ni");
  CHECK(!writable(rig.map, "Gamma"));
  rig_close(&rig);
}

static void streaming_locks(void) {
  Rig rig = rig_open();
  small(&rig, "off");
  OK(spinCameraBeginAcquisition(rig.camera));
  CHECK(!writable(rig.map, "Width") && !writable(rig.map, "PixelFormat") && !writable(rig.map, "BinningHorizontal") && !writable(rig.map, "UserSetLoad"));
  CHECK(!writable(rig.stream, "StreamBufferHandlingMode") && !writable(rig.stream, "StreamBufferCountManual"));
  CHECK(writable(rig.map, "OffsetX") && writable(rig.map, "ExposureTime") && writable(rig.map, "TriggerMode"));
  EQUAL(put(rig.map, "Width", "512"), SPIN_GENICAM_ACCESS);
  OK(spinCameraEndAcquisition(rig.camera));
  OK(put(rig.map, "Width", "512"));
  rig_close(&rig);
}

static void selectors(void) {
  Rig rig = rig_open();
  OK(put(rig.map, "BalanceWhiteAuto", "Off"));
  OK(put(rig.map, "BalanceRatioSelector", "Red"));
  OK(put(rig.map, "BalanceRatio", "1.5"));
  OK(put(rig.map, "BalanceRatioSelector", "Blue"));
  OK(put(rig.map, "BalanceRatio", "2.5"));
  OK(put(rig.map, "BalanceRatioSelector", "Red"));
  CHECK(get(rig.map, "BalanceRatio") == 1.5);
  OK(put(rig.map, "TriggerSelector", "AcquisitionStart"));
  OK(put(rig.map, "TriggerMode", "On"));
  OK(put(rig.map, "TriggerSelector", "FrameStart"));
  CHECK(strcmp(text_of(rig.map, "TriggerMode"), "Off") == 0);
  rig_close(&rig);
}

static void user_sets(void) {
  tell("command-ms = 500");
  Rig rig = rig_open();
  CHECK(!writable(rig.map, "UserSetSave"));  // the factory's stays as it is
  OK(put(rig.map, "ExposureAuto", "Off"));
  OK(put(rig.map, "ExposureTime", "777"));
  OK(put(rig.map, "UserSetSelector", "UserSet0"));
  OK(put(rig.map, "UserSetSave", ""));
  OK(put(rig.map, "UserSetSelector", "Default"));
  spinHandle load = NULL;
  spinBool done = 1;
  OK(spinNodeMapGetNode(rig.map, "UserSetLoad", &load));
  OK(spinCommandExecute(load));
  OK(spinCommandIsDone(load, &done));
  CHECK(!done);
  for (int i = 0; i < 5000 && !done; i++) {
    usleep(1000);
    OK(spinCommandIsDone(load, &done));
  }
  CHECK(done);
  OK(spinNodeMapReleaseNode(rig.map, load));
  CHECK(strcmp(text_of(rig.map, "ExposureAuto"), "Continuous") == 0);
  OK(put(rig.map, "UserSetDefault", "UserSet0"));
  rig_close(&rig);
  // Without power it forgets all but its flash.
  tell("unplug");
  tell("replug");
  for (int i = 0; i < 5000 && strstr(ask("status"), "\"detected\":true") == NULL; i++) usleep(1000);
  rig = rig_open();
  EQUAL(get(rig.map, "ExposureTime"), 777);
  rig_close(&rig);
}

static void mirrored(void) {
  Rig rig = rig_open();
  OK(put(rig.map, "ReverseX", "1"));
  CHECK(strcmp(text_of(rig.map, "PixelFormat"), "BayerGR8") == 0);
  OK(put(rig.map, "ReverseY", "1"));
  CHECK(strcmp(text_of(rig.map, "PixelFormat"), "BayerBG8") == 0);
  EQUAL(put(rig.map, "PixelFormat", "BayerRG8"), SPIN_GENICAM_INVALID_ARGUMENT);
  OK(put(rig.map, "PixelFormat", "Mono8"));
  OK(put(rig.map, "PixelFormat", "BayerBG8"));
  rig_close(&rig);
}

static void rates(void) {
  Rig rig = rig_open();
  OK(put(rig.map, "ExposureAuto", "Off"));
  OK(put(rig.map, "ExposureTime", "1000"));
  const double full = get(rig.map, "AcquisitionResultingFrameRate");
  CHECK(full > 42.5 && full < 43.2);  // 8 847 360 bytes at 380 MB/s
  OK(put(rig.map, "DeviceLinkThroughputLimit", "200008000"));
  const double slower = get(rig.map, "AcquisitionResultingFrameRate");
  CHECK(slower > 22.5 && slower < 22.7);
  OK(put(rig.map, "ExposureTime", "100000"));
  CHECK(get(rig.map, "AcquisitionResultingFrameRate") < 10);
  tell("usb2 = on");
  OK(put(rig.map, "ExposureTime", "1000"));
  CHECK(get(rig.map, "AcquisitionResultingFrameRate") < 4.4);
  CHECK(strcmp(text_of(rig.tl, "DeviceCurrentSpeed"), "HighSpeed") == 0);
  rig_close(&rig);
}

static void listing(void) {
  Rig rig = rig_open();
  size_t count = 0;
  OK(spinNodeMapGetNumNodes(rig.map, &count));
  CHECK(count > 100);
  for (size_t i = 0; i < count; i++) {
    spinHandle node = NULL;
    char name[80] = "", shown[80] = "";
    size_t length = sizeof name, room = sizeof shown;
    spinBool readable = 0;
    int type = -1;
    OK(spinNodeMapGetNodeByIndex(rig.map, i, &node));
    OK(spinNodeGetName(node, name, &length));
    OK(spinNodeGetType(node, &type));
    OK(spinNodeIsReadable(node, &readable));
    if (readable) OK(spinNodeToString(node, shown, &room));
    OK(spinNodeMapReleaseNode(rig.map, node));
  }
  EQUAL(spinNodeMapGetNodeByIndex(rig.map, count, &rig.tl), SPIN_INVALID_INDEX);
  spinHandle system_map = NULL;
  OK(spinSystemGetTLNodeMap(rig.system, &system_map));
  OK(put(system_map, "EnumerateGEVInterfaces", "0"));
  EQUAL(get(system_map, "EnumerateGEVInterfaces"), 0);
  rig_close(&rig);
}

const Case node_cases[] = {{"unknown nodes", unknown_nodes},
                           {"nodes of another type", wrong_types},
                           {"a node fetched while unavailable", fetched_unavailable},
                           {"text getters", texts},
                           {"integers of enumeration entries", integers_of_entries},
                           {"ranges and increments", ranges},
                           {"what is writable when", dependencies},
                           {"locks while streaming", streaming_locks},
                           {"selectors", selectors},
                           {"user sets", user_sets},
                           {"mirrored formats", mirrored},
                           {"frame rates", rates},
                           {"listing all nodes", listing},
                           CASES_END};
