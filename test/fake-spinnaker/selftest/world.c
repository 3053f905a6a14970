// Cables, other processes, outputs, the socket.
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "selftest.h"

static int arrivals, removals;
static pthread_t callback_thread;
static void on_arrival(spinHandle camera, void *user) {
  (void)camera;
  CHECK(user == &arrivals);
  callback_thread = pthread_self();
  __atomic_fetch_add(&arrivals, 1, __ATOMIC_SEQ_CST);
}
static void on_removal(spinHandle camera, void *user) {
  (void)camera;
  CHECK(user == &arrivals);
  __atomic_fetch_add(&removals, 1, __ATOMIC_SEQ_CST);
}
static bool came(const int *count, int wanted) {
  for (int i = 0; i < 5000 && __atomic_load_n(count, __ATOMIC_SEQ_CST) < wanted; i++) usleep(1000);
  return __atomic_load_n(count, __ATOMIC_SEQ_CST) == wanted;
}

static spinHandle watched(const Rig *rig) {
  spinHandle handler = NULL;
  OK(spinInterfaceEventHandlerCreate(&handler, on_arrival, on_removal, &arrivals));
  OK(spinSystemRegisterInterfaceEventHandler(rig->system, handler));
  return handler;
}

// Gives back a camera that has gone, as a user recovers.
static void give_up(Rig *rig) {
  spinCameraEndAcquisition(rig->camera);
  spinCameraDeInit(rig->camera);
  OK(spinCameraRelease(rig->camera));
  OK(spinCameraListClear(rig->list));
  OK(spinCameraListDestroy(rig->list));
}

static void find_again(Rig *rig, const char *serial) {
  spinBool changed = 0;
  OK(spinSystemUpdateCameras(rig->system, &changed));
  OK(spinCameraListCreateEmpty(&rig->list));
  OK(spinSystemGetCameras(rig->system, rig->list));
  OK(spinCameraListGetBySerial(rig->list, serial, &rig->camera));
}

static void cable(void) {
  tell("removal-ms = 1000");
  Rig rig = rig_open();
  spinHandle handler = watched(&rig);
  small(&rig, "software");
  OK(spinCameraBeginAcquisition(rig.camera));
  spinHandle image = NULL, node = NULL;
  OK(spinNodeMapGetNode(rig.map, "DeviceTemperature", &node));
  double celsius = 0;
  OK(spinFloatGetValue(node, &celsius));
  tell("unplug");
  // Silence first; registers cannot be read.
  EQUAL(spinCameraGetNextImageEx(rig.camera, 10, &image), SPIN_TIMEOUT);
  EQUAL(spinCameraGetNextImageEx(rig.camera, 10, &image), SPIN_TIMEOUT);
  EQUAL(spinCameraGetNextImageEx(rig.camera, 10, &image), SPIN_IO);
  EQUAL(spinFloatGetValue(node, &celsius), SPIN_IO);
  CONTAINS(last_message(), "Could not read Port at address: 000C8824 with length: 00000004 [-1010]");
  CHECK(came(&removals, 1));
  spinBool valid = 1;
  OK(spinCameraIsValid(rig.camera, &valid));
  EQUAL(valid, 0);
  EQUAL(spinCameraGetNextImageEx(rig.camera, 10, &image), SPIN_NOT_INITIALIZED);
  CONTAINS(last_message(), "Camera has been removed from the list and is no longer valid. [-1002]");
  EQUAL(spinFloatGetValue(node, &celsius), SPIN_NOT_INITIALIZED);
  OK(spinNodeMapReleaseNode(rig.map, node));
  EQUAL(spinCameraEndAcquisition(rig.camera), SPIN_NOT_INITIALIZED);
  EQUAL(spinCameraDeInit(rig.camera), SPIN_NOT_INITIALIZED);
  give_up(&rig);
  find_again(&rig, "21234567");
  CHECK(rig.camera == NULL);
  OK(spinCameraListDestroy(rig.list));
  tell("replug");
  CHECK(came(&arrivals, 1));
  CHECK(!pthread_equal(callback_thread, pthread_self()));
  find_again(&rig, "21234567");
  OK(spinCameraInit(rig.camera));
  OK(spinCameraGetNodeMap(rig.camera, &rig.map));
  // It is as it leaves the factory: everything has to be configured again.
  CHECK(strcmp(text_of(rig.map, "TriggerMode"), "Off") == 0 && strcmp(text_of(rig.map, "ExposureAuto"), "Continuous") == 0);
  small(&rig, "off");
  OK(spinCameraBeginAcquisition(rig.camera));
  image = next(&rig, 5000);
  EQUAL(frame_id(image), 0);
  OK(spinImageRelease(image));
  OK(spinSystemUnregisterInterfaceEventHandler(rig.system, handler));
  OK(spinInterfaceEventHandlerDestroy(handler));
  rig_close(&rig);
  EQUAL(violation_count(), 0);
}

static void another_camera(void) {
  tell("scale 20");
  Rig rig = rig_open();
  spinHandle handler = watched(&rig);
  tell("unplug");
  CHECK(came(&removals, 1));
  tell("replug as=99999999");
  CHECK(came(&arrivals, 1));
  OK(spinSystemUnregisterInterfaceEventHandler(rig.system, handler));
  OK(spinInterfaceEventHandlerDestroy(handler));
  give_up(&rig);
  find_again(&rig, "21234567");
  CHECK(rig.camera == NULL);
  OK(spinCameraListGetBySerial(rig.list, "99999999", &rig.camera));
  CHECK(rig.camera != NULL);
  OK(spinCameraRelease(rig.camera));
  OK(spinCameraListClear(rig.list));
  OK(spinCameraListDestroy(rig.list));
  OK(spinSystemReleaseInstance(rig.system));
}

static void old_callback(spinHandle serial, void *user) {
  (void)user;
  EQUAL((uintptr_t)serial, 21234567);
  __atomic_fetch_add(&removals, 1, __ATOMIC_SEQ_CST);
}

static void old_callbacks(void) {
  tell("version = 2.7.0.128");
  Rig rig = rig_open();
  spinHandle handler = NULL;
  OK(spinDeviceRemovalEventHandlerCreate(&handler, old_callback, NULL));
  OK(spinSystemRegisterDeviceRemovalEventHandler(rig.system, handler));
  tell("unplug");
  CHECK(came(&removals, 1));
  OK(spinSystemUnregisterDeviceRemovalEventHandler(rig.system, handler));
  OK(spinDeviceRemovalEventHandlerDestroy(handler));
  give_up(&rig);
  OK(spinSystemReleaseInstance(rig.system));
}

static void device_reset(void) {
  tell("removal-ms = 700");
  tell("reset-ms = 1000");
  Rig rig = rig_open();
  spinHandle handler = watched(&rig);
  OK(put(rig.map, "DeviceReset", ""));
  EQUAL(spinCameraBeginAcquisition(rig.camera), SPIN_IO);
  CHECK(came(&removals, 1));
  EQUAL(spinCameraBeginAcquisition(rig.camera), SPIN_NOT_INITIALIZED);
  CHECK(came(&arrivals, 1));
  spinBool valid = 1;
  OK(spinCameraIsValid(rig.camera, &valid));
  EQUAL(valid, 0);  // the handle stays what it was
  OK(spinSystemUnregisterInterfaceEventHandler(rig.system, handler));
  OK(spinInterfaceEventHandlerDestroy(handler));
  give_up(&rig);
  OK(spinSystemReleaseInstance(rig.system));
}

static void quick_replug(void) {
  Rig rig = rig_open();
  spinHandle handler = watched(&rig);
  tell("unplug");
  tell("replug");  // before anybody noticed
  CHECK(came(&arrivals, 1) && came(&removals, 1));
  spinBool valid = 1;
  OK(spinCameraIsValid(rig.camera, &valid));
  EQUAL(valid, 0);
  OK(spinSystemUnregisterInterfaceEventHandler(rig.system, handler));
  OK(spinInterfaceEventHandlerDestroy(handler));
  give_up(&rig);
  OK(spinSystemReleaseInstance(rig.system));
}

static void many_cycles(void) {
  tell("scale 100");
  Rig rig = rig_open();
  for (int cycle = 0; cycle < 100; cycle++) {
    small(&rig, "off");
    OK(spinCameraBeginAcquisition(rig.camera));
    OK(spinImageRelease(next(&rig, 5000)));
    tell("unplug");
    tell("replug");
    spinBool valid = 1;
    for (int i = 0; i < 5000 && valid; i++) {
      OK(spinCameraIsValid(rig.camera, &valid));
      usleep(1000);
    }
    EQUAL(valid, 0);
    give_up(&rig);
    rig.camera = NULL;
    for (int i = 0; i < 5000 && rig.camera == NULL; i++) {
      find_again(&rig, "21234567");
      if (rig.camera == NULL) OK(spinCameraListDestroy(rig.list));
    }
    OK(spinCameraInit(rig.camera));
    OK(spinCameraGetNodeMap(rig.camera, &rig.map));
  }
  rig_close(&rig);
  EQUAL(violation_count(), 0);
  CHECK(strstr(ask("status"), "\"held\":{\"cameras\":0,\"lists\":0,\"images\":0,\"handlers\":0,\"nodes\":0,\"entries\":0}") != NULL);
}

static void scheduled(void) {
  Rig rig = rig_open();
  small(&rig, "off");
  tell("removal-ms = 5000");
  tell("at-exposure 5 unplug");
  OK(spinCameraBeginAcquisition(rig.camera));
  int frames = 0;
  spinHandle image = NULL;
  while (spinCameraGetNextImageEx(rig.camera, 200, &image) == SPIN_OK) {
    frames++;
    OK(spinImageRelease(image));
  }
  CHECK(frames >= 4);
  CHECK(number("\"exposures\":") >= 6);
  tell("after 10 replug");
  for (int i = 0; i < 5000 && strstr(ask("status"), "\"present\":true") == NULL; i++) usleep(1000);
  CHECK(strstr(ask("status"), "\"present\":true") != NULL);
  give_up(&rig);
  OK(spinSystemReleaseInstance(rig.system));
}

static void silence(void) {
  Rig rig = rig_open();
  small(&rig, "off");
  OK(spinCameraBeginAcquisition(rig.camera));
  OK(spinImageRelease(next(&rig, 5000)));
  tell("silent = on");
  spinHandle image = NULL;
  while (spinCameraGetNextImageEx(rig.camera, 100, &image) == SPIN_OK) OK(spinImageRelease(image));
  CHECK(get(rig.map, "DeviceTemperature") > 40);  // it lives, it only gives no pictures
  tell("silent = off");
  OK(spinImageRelease(next(&rig, 5000)));
  rig_close(&rig);
}

static void outputs(void) {
  Rig rig = rig_open();
  OK(put(rig.map, "LineSelector", "Line1"));
  OK(put(rig.map, "LineSource", "UserOutput1"));
  OK(put(rig.map, "UserOutputSelector", "UserOutput1"));
  OK(put(rig.map, "UserOutputValue", "1"));
  EQUAL(get(rig.map, "LineStatus"), 1);
  EQUAL(get(rig.map, "LineStatusAll"), 2);
  CONTAINS(ask("status"), "\"lines\":[0,1,0,0]");
  OK(put(rig.map, "LineInverter", "1"));
  EQUAL(get(rig.map, "LineStatusAll"), 0);
  OK(put(rig.map, "LineInverter", "0"));
  rig_close(&rig);
  CONTAINS(ask("status"), "\"lines\":[0,1,0,0]");  // the camera keeps the level when its user has gone
  tell("unplug");
  CONTAINS(ask("status"), "\"lines\":[0,0,0,0]");  // without power there is none
}

static void held_elsewhere(void) {
  char path[] = "/tmp/fake-lock-XXXXXX";
  const int file = mkstemp(path);
  CHECK(file >= 0);
  int up[2], down[2];
  CHECK(pipe(up) == 0 && pipe(down) == 0);
  const pid_t child = fork();
  char byte = 'x';
  if (child == 0) {
    tell("lock = %s", path);
    Rig rig = rig_open();
    if (write(up[1], &byte, 1) != 1 || read(down[0], &byte, 1) != 1) _exit(3);
    rig_close(&rig);
    _exit(failures);
  }
  CHECK(read(up[0], &byte, 1) == 1);
  tell("lock = %s", path);
  Rig rig = {0};
  rig_system(&rig);
  OK(spinCameraListGet(rig.list, 0, &rig.camera));
  EQUAL(spinCameraInit(rig.camera), SPIN_ACCESS_DENIED);
  CHECK(write(down[1], &byte, 1) == 1);
  int how = 0;
  waitpid(child, &how, 0);
  EQUAL(how, 0);
  OK(spinCameraInit(rig.camera));
  rig_close(&rig);
  char lock[64];
  snprintf(lock, sizeof lock, "%s.21234567", path);
  unlink(lock);
  unlink(path);
  close(file);
}

static void socket_commands(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/tmp/fake-control-%d", (int)getpid());
  tell("control = %s", address.sun_path);
  const int file = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(connect(file, (struct sockaddr *)&address, sizeof address) == 0);
  static char reply[20000];
  static const char text[] = "status\nunplug 5\nunpl";
  CHECK(write(file, text, sizeof text - 1) == sizeof text - 1);
  CHECK(write(file, "ug\n", 3) == 3);
  size_t got = 0;
  int lines = 0;
  while (lines < 3) {
    const ssize_t some = read(file, reply + got, sizeof reply - 1 - got);
    if (some <= 0) break;
    got += (size_t)some;
    reply[got] = 0;
    lines = 0;
    for (size_t i = 0; i < got; i++) lines += reply[i] == '\n';
  }
  CONTAINS(reply, "ok {\"scale\":1");
  CONTAINS(reply, "\nerror there is no such camera\n");
  CHECK(strcmp(reply + got - 4, "\nok\n") == 0);
  close(file);
  CONTAINS(ask("status"), "\"present\":false");
}

const Case world_cases[] = {{"a pulled cable", cable},
                            {"another camera is plugged", another_camera},
                            {"callbacks of version 2", old_callbacks},
                            {"reset of the device", device_reset},
                            {"a loose contact", quick_replug},
                            {"many cables pulled", many_cycles},
                            {"scheduled commands", scheduled},
                            {"a camera that gives no pictures", silence},
                            {"outputs", outputs},
                            {"held by another process", held_elsewhere},
                            {"commands over the socket", socket_commands},
                            CASES_END};
