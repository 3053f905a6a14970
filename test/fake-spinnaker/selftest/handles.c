// Wrong calls first: handles, order, leaks, threads.
#include <dlfcn.h>
#include <signal.h>
#include <sys/wait.h>

#include "selftest.h"

// Every function that takes a handle first and pointers after it.
static const char *const handle_first[] = {
    "spinSystemReleaseInstance", "spinSystemIsInUse", "spinSystemGetLibraryVersion", "spinSystemGetTLNodeMap", "spinSystemGetCameras",
    "spinSystemUpdateCameras", "spinSystemGetLoggingLevel", "spinSystemRegisterLogEventHandler", "spinSystemUnregisterLogEventHandler",
    "spinSystemUnregisterAllLogEventHandlers", "spinSystemRegisterInterfaceEventHandler", "spinSystemUnregisterInterfaceEventHandler",
    "spinSystemRegisterDeviceArrivalEventHandler", "spinSystemUnregisterDeviceArrivalEventHandler", "spinSystemRegisterDeviceRemovalEventHandler",
    "spinSystemUnregisterDeviceRemovalEventHandler", "spinInterfaceEventHandlerDestroy", "spinDeviceArrivalEventHandlerDestroy",
    "spinDeviceRemovalEventHandlerDestroy", "spinLogEventHandlerDestroy", "spinLogDataGetCategoryName", "spinLogDataGetPriority",
    "spinLogDataGetPriorityName", "spinLogDataGetLogMessage", "spinLogDataGetTimestamp", "spinCameraListDestroy", "spinCameraListClear",
    "spinCameraListGetSize", "spinCameraListGet", "spinCameraListGetBySerial", "spinCameraInit", "spinCameraDeInit", "spinCameraRelease",
    "spinCameraIsValid", "spinCameraIsInitialized", "spinCameraIsStreaming", "spinCameraGetAccessMode", "spinCameraGetUniqueID",
    "spinCameraGetDeviceID", "spinCameraGetDeviceSerialNumber", "spinCameraGetNodeMap", "spinCameraGetTLDeviceNodeMap",
    "spinCameraGetTLStreamNodeMap", "spinCameraBeginAcquisition", "spinCameraEndAcquisition", "spinCameraGetNextImage", "spinCameraGetNextImageEx",
    "spinNodeMapGetNode", "spinNodeMapReleaseNode", "spinNodeMapGetNumNodes", "spinNodeMapGetNodeByIndex", "spinNodeMapPoll",
    "spinNodeIsImplemented", "spinNodeIsAvailable", "spinNodeIsReadable", "spinNodeIsWritable", "spinNodeGetAccessMode", "spinNodeGetType",
    "spinNodeGetName", "spinNodeGetDisplayName", "spinNodeGetVisibility", "spinNodeInvalidateNode", "spinNodeToString", "spinNodeFromString",
    "spinIntegerGetValue", "spinIntegerSetValue", "spinIntegerGetMin", "spinIntegerGetMax", "spinIntegerGetInc", "spinFloatGetValue",
    "spinFloatGetMin", "spinFloatGetMax", "spinFloatGetUnit", "spinBooleanGetValue", "spinBooleanSetValue", "spinStringGetValue",
    "spinStringSetValue", "spinStringGetMaxLength", "spinCommandExecute", "spinCommandIsDone", "spinEnumerationGetNumEntries",
    "spinEnumerationGetEntryByIndex", "spinEnumerationGetEntryByName", "spinEnumerationGetCurrentEntry", "spinEnumerationReleaseNode",
    "spinEnumerationSetIntValue", "spinEnumerationSetEnumValue", "spinEnumerationEntryGetIntValue", "spinEnumerationEntryGetEnumValue",
    "spinEnumerationEntryGetSymbolic", "spinImageIsIncomplete", "spinImageGetStatus", "spinImageGetWidth", "spinImageGetHeight",
    "spinImageGetStride", "spinImageGetOffsetX", "spinImageGetOffsetY", "spinImageGetPaddingX", "spinImageGetPaddingY",
    "spinImageGetBitsPerPixel", "spinImageGetBufferSize", "spinImageGetSize", "spinImageGetValidPayloadSize", "spinImageGetPixelFormat",
    "spinImageGetPixelFormatName", "spinImageGetTLPixelFormat", "spinImageGetData", "spinImageGetFrameID", "spinImageGetID",
    "spinImageGetTimeStamp", "spinImageHasCRC", "spinImageCheckCRC", "spinImageChunkDataGetIntValue", "spinImageChunkDataGetFloatValue",
    "spinImageRelease"};
typedef int (*AnyCall)(void *, void *, void *, void *);

// Calls them all with `handle`, a kind none but those whose name has `own` takes.
static void sweep(void *handle, const char *own, int wanted) {
  for (size_t i = 0; i < sizeof handle_first / sizeof *handle_first; i++) {
    if (own != NULL && strstr(handle_first[i], own) != NULL) continue;
    AnyCall call;
    void *symbol = dlsym(RTLD_DEFAULT, handle_first[i]);
    if (symbol == NULL) {
      failed(__FILE__, __LINE__, "no %s", handle_first[i]);
      continue;
    }
    memcpy(&call, &symbol, sizeof call);
    const int code = call(handle, NULL, NULL, NULL);
    if (code != wanted) failed(__FILE__, __LINE__, "%s gave %d, expected %d", handle_first[i], code, wanted);
  }
}

static void null_handles(void) {
  Rig rig = rig_open();
  sweep(NULL, NULL, SPIN_INVALID_HANDLE);
  CONTAINS(last_message(), "Handle is NULL");
  rig_close(&rig);
}

static void invented_handles(void) {
  Rig rig = rig_open();
  int here = 0;
  sweep(&here, NULL, SPIN_INVALID_HANDLE);
  sweep((void *)(uintptr_t)~0ull, NULL, SPIN_INVALID_HANDLE);
  sweep((void *)(uintptr_t)0x5F03000001000007ull, NULL, SPIN_INVALID_HANDLE);
  CHECK(has_violation("handle", "not a handle of this library"));
  rig_close(&rig);
}

static void wrong_kinds(void) {
  Rig rig = rig_open();
  sweep(rig.system, "System", SPIN_INVALID_HANDLE);
  sweep(rig.list, "CameraList", SPIN_INVALID_HANDLE);
  sweep(rig.map, "NodeMap", SPIN_INVALID_HANDLE);
  tell("clear");
  spinBool valid = 0;
  EQUAL(spinCameraIsValid(rig.list, &valid), SPIN_INVALID_HANDLE);
  CONTAINS(last_message(), "Incorrect handle exception thrown. Expected: Camera handle");
  CHECK(has_violation("handle", "camera list handle where a camera handle belongs"));
  rig_close(&rig);
}

static void null_results(void) {
  Rig rig = rig_open();
  EQUAL(spinSystemGetInstance(NULL), SPIN_INVALID_PARAMETER);
  EQUAL(spinCameraListGetSize(rig.list, NULL), SPIN_INVALID_PARAMETER);
  CONTAINS(last_message(), "Parameter is NULL");
  EQUAL(spinCameraIsValid(rig.camera, NULL), SPIN_INVALID_PARAMETER);
  EQUAL(spinNodeMapGetNode(rig.map, NULL, NULL), SPIN_INVALID_PARAMETER);
  EQUAL(spinCameraGetNextImageEx(rig.camera, 0, NULL), SPIN_INVALID_PARAMETER);
  rig_close(&rig);
}

static void stale_handles(void) {
  Rig rig = {0};
  rig_system(&rig);
  spinHandle a = NULL, b = NULL;
  OK(spinCameraListGet(rig.list, 0, &a));
  OK(spinCameraListGet(rig.list, 0, &b));
  CHECK(a != b);  // each is a reference of its own
  OK(spinCameraRelease(a));
  EQUAL(spinCameraRelease(a), SPIN_INVALID_HANDLE);
  CHECK(has_violation("stale", "spinCameraRelease"));
  // Nor when its place has been given to another.
  spinHandle third = NULL;
  OK(spinCameraListGet(rig.list, 0, &third));
  EQUAL(spinCameraRelease(a), SPIN_INVALID_HANDLE);
  OK(spinCameraRelease(third));
  OK(spinCameraRelease(b));
  OK(spinCameraListClear(rig.list));
  OK(spinCameraListDestroy(rig.list));
  size_t size;
  EQUAL(spinCameraListGetSize(rig.list, &size), SPIN_INVALID_HANDLE);
  OK(spinSystemReleaseInstance(rig.system));
}

static void without_system(void) {
  spinHandle list = NULL;
  EQUAL(spinCameraListCreateEmpty(&list), SPIN_NOT_INITIALIZED);
  CHECK(has_violation("order", "without a system"));
  Rig rig = rig_open();
  rig_close(&rig);
  EQUAL(spinSystemReleaseInstance(rig.system), SPIN_NOT_INITIALIZED);
  rig = rig_open();  // and it can be taken again
  rig_close(&rig);
}

static void lists(void) {
  Rig rig = {0};
  tell("cameras = 21234567, 21234568");
  rig_system(&rig);
  size_t size = 0;
  OK(spinCameraListGetSize(rig.list, &size));
  EQUAL(size, 2);
  spinHandle camera = &rig;
  EQUAL(spinCameraListGet(rig.list, 2, &camera), SPIN_INVALID_INDEX);
  OK(spinCameraListGetBySerial(rig.list, "99", &camera));
  CHECK(camera == NULL);
  OK(spinCameraListGetBySerial(rig.list, "21234568", &camera));
  spinHandle tl = NULL, map = NULL;
  OK(spinCameraGetTLDeviceNodeMap(camera, &tl));
  CHECK(strcmp(text_of(tl, "DeviceSerialNumber"), "21234568") == 0);
  EQUAL(spinCameraGetNodeMap(camera, &map), SPIN_NOT_INITIALIZED);
  EQUAL(spinCameraListClear(rig.list), SPIN_RESOURCE_IN_USE);
  CONTAINS(last_message(), "Can't clear a camera because something still holds a reference to the camera [-1004]");
  OK(spinCameraRelease(camera));
  EQUAL(violation_count(), 1);
  tell("clear");
  OK(spinCameraListDestroy(rig.list));
  CHECK(has_violation("order", "before spinCameraListClear"));
  OK(spinSystemReleaseInstance(rig.system));
}

static void order(void) {
  Rig rig = rig_open();
  small(&rig, "off");
  OK(spinCameraBeginAcquisition(rig.camera));
  EQUAL(spinCameraBeginAcquisition(rig.camera), SPIN_RESOURCE_IN_USE);
  EQUAL(spinCameraDeInit(rig.camera), SPIN_RESOURCE_IN_USE);
  CONTAINS(last_message(), "Can't de-initialize camera. Camera is still streaming. [-1004]");
  CHECK(has_violation("order", "spinCameraDeInit before spinCameraEndAcquisition"));
  EQUAL(spinSystemReleaseInstance(rig.system), SPIN_RESOURCE_IN_USE);
  CHECK(has_violation("leak", "the system was released with 1 cameras, 1 lists, 0 images and 0 event handlers held"));
  spinHandle second = NULL;
  OK(spinCameraListCreateEmpty(&second));
  OK(spinSystemGetCameras(rig.system, second));
  CHECK(has_violation("order", "spinSystemGetCameras while 1 cameras of an earlier enumeration are held"));
  EQUAL(spinCameraListClear(second), SPIN_RESOURCE_IN_USE);
  OK(spinCameraRelease(rig.camera));
  CHECK(has_violation("order", "spinCameraRelease before spinCameraDeInit"));
  OK(spinCameraListClear(second));
  OK(spinCameraListDestroy(second));
  OK(spinCameraListClear(rig.list));
  OK(spinCameraListDestroy(rig.list));
  OK(spinSystemReleaseInstance(rig.system));
}

static void clean_run(void) {
  Rig rig = rig_open();
  small(&rig, "off");
  OK(spinCameraBeginAcquisition(rig.camera));
  OK(spinImageRelease(next(&rig, 5000)));
  rig_close(&rig);
  EQUAL(violation_count(), 0);
  CHECK(strstr(ask("status"), "\"held\":{\"cameras\":0,\"lists\":0,\"images\":0,\"handlers\":0,\"nodes\":0,\"entries\":0}") != NULL);
}

static void leaks(void) {
  Rig rig = rig_open();
  small(&rig, "off");
  OK(spinCameraBeginAcquisition(rig.camera));
  spinHandle image = next(&rig, 5000), node = NULL, entry = NULL;
  OK(spinNodeMapGetNode(rig.map, "TriggerMode", &node));
  OK(spinEnumerationGetCurrentEntry(node, &entry));
  OK(spinCameraEndAcquisition(rig.camera));
  CHECK(has_violation("leak", "1 images were held when acquisition ended"));
  EQUAL(spinImageRelease(image), SPIN_INVALID_HANDLE);
  CHECK(has_violation("stale", "spinImageRelease: image"));
  OK(spinCameraDeInit(rig.camera));
  CHECK(has_violation("leak", "2 nodes of camera 21234567 were not given back"));
  EQUAL(spinNodeMapReleaseNode(rig.map, node), SPIN_INVALID_HANDLE);
  OK(spinCameraRelease(rig.camera));
  OK(spinCameraListClear(rig.list));
  OK(spinCameraListDestroy(rig.list));
  spinHandle handler = NULL;
  OK(spinInterfaceEventHandlerCreate(&handler, NULL, NULL, NULL));
  OK(spinSystemRegisterInterfaceEventHandler(rig.system, handler));
  EQUAL(spinInterfaceEventHandlerDestroy(handler), SPIN_RESOURCE_IN_USE);
  EQUAL(spinSystemReleaseInstance(rig.system), SPIN_RESOURCE_IN_USE);
  CHECK(has_violation("leak", "1 event handlers held"));
  OK(spinSystemUnregisterInterfaceEventHandler(rig.system, handler));
  OK(spinInterfaceEventHandlerDestroy(handler));
  OK(spinSystemReleaseInstance(rig.system));
}

static void never_released(void) {
  // What the end of the process reports; the test reads it from stderr.
  Rig rig = rig_open();
  CHECK(rig.camera != NULL);
}

static void aborts_when_told(void) {
  const pid_t child = fork();
  if (child == 0) {
    fclose(stderr);
    tell("on-violation = abort");
    spinHandle list;
    spinCameraListCreateEmpty(&list);
    _exit(0);
  }
  int how = 0;
  waitpid(child, &how, 0);
  CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
}

static void *other(void *argument) {
  const Rig *rig = argument;
  spinBool valid = 0;
  OK(spinCameraIsValid(rig->camera, &valid));
  return NULL;
}

static void *meanwhile(void *argument) {
  for (int ms = 0; ms < 20000 && number("\"inside\":") == 0; ms++) usleep(1000);
  other(argument);
  ask("unhang");
  return NULL;
}

static void in_another_thread(Rig *rig) {
  pthread_t thread;
  pthread_create(&thread, NULL, other, rig);
  pthread_join(thread, NULL);
}

static void threads(void) {
  Rig rig = rig_open();
  in_another_thread(&rig);
  CHECK(has_violation("thread", "spinCameraIsValid from another thread"));
  tell("clear");
  tell("threads = serial");
  in_another_thread(&rig);
  EQUAL(violation_count(), 0);
  // At once is at once, even so: the main thread hangs in a call meanwhile.
  tell("hang spinCameraIsStreaming");
  pthread_t thread;
  pthread_create(&thread, NULL, meanwhile, &rig);
  spinBool streaming;
  OK(spinCameraIsStreaming(rig.camera, &streaming));
  pthread_join(thread, NULL);
  CHECK(has_violation("thread", "while another thread is in a call"));
  rig_close(&rig);
}

const Case handle_cases[] = {{"null handles", null_handles},
                             {"invented handles", invented_handles},
                             {"handles of another kind", wrong_kinds},
                             {"null results", null_results},
                             {"stale handles", stale_handles},
                             {"calls without a system", without_system},
                             {"camera lists", lists},
                             {"wrong order", order},
                             {"leaks are told", leaks},
                             {"a system never released", never_released},
                             {"abort on a violation", aborts_when_told},
                             {"threads", threads},
                             {"a clean run tells nothing", clean_run},
                             CASES_END};
