// Cameras: life, acquisition, and what a pulled cable does to either.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "fake.h"

enum { MAP_DEVICE, MAP_TL_DEVICE, MAP_STREAM };

// Invariant: refs = lists + handles + 1 while the device has it + events under way + waiting calls.
void camera_unref(Camera *camera) {
  if (--camera->refs > 0) return;
  if (camera->maps[MAP_TL_DEVICE].handle != NULL) handle_free(camera->maps[MAP_TL_DEVICE].handle);
  const int nodes = free_nodes_of(camera, true);
  if (nodes > 0 && g.set.node_leaks) violation("leak", "%d nodes of camera %s were not given back before it ended", nodes, camera->device->serial);
  free(camera);
}

Camera *camera_of(Device *device) {
  if (device->camera != NULL) return device->camera;
  Camera *camera = calloc(1, sizeof *camera);
  if (camera == NULL) return NULL;
  camera->device = device;
  camera->refs = 1;
  camera->valid = true;
  camera->cut = !device->present;
  camera->lock_file = -1;
  camera->maps[MAP_DEVICE] = (Map){.kind = &device_map, .states = device->nodes, .device = device, .camera = camera};
  camera->maps[MAP_STREAM] = (Map){.kind = &stream_map, .states = camera->stream, .device = device, .camera = camera};
  camera->maps[MAP_TL_DEVICE] = (Map){.kind = &tl_device_map, .device = device, .camera = camera};
  static NodeState tl_states[16];
  reset_states(&tl_device_map, tl_states);
  camera->maps[MAP_TL_DEVICE].states = tl_states;
  device->camera = camera;
  return camera;
}

void cameras_clear(void) {
  for (int i = 0; i < MAX_DEVICES; i++) {
    Camera *camera = g.devices[i].camera;
    g.devices[i].camera = NULL;
    if (camera != NULL) camera_unref(camera);
  }
  g.system_map_object.handle = NULL;
}

bool camera_lost(Call *call, const Camera *camera) {
  if (call->rc != 0) return true;
  if (!camera->valid) fail(call, SPIN_NOT_INITIALIZED, "Camera has been removed from the list and is no longer valid.");
  return call->rc != 0;
}

Camera *camera_get(Call *call, spinHandle handle) { return object_get(call, handle, K_CAMERA); }

static int take_lock(const Camera *camera) {
  char path[300];
  snprintf(path, sizeof path, "%s.%s", g.set.lock, camera->device->serial);
  const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) return -1;
  if (flock(file, LOCK_EX | LOCK_NB) == 0) return file;
  close(file);
  return -1;
}

SPIN spinCameraInit(spinHandle handle) {
  CALL(c);
  Camera *camera = camera_get(&c, handle);
  if (camera == NULL || camera_lost(&c, camera) || camera->initialized) return end(&c);
  if (g.set.busy) {
    fail(&c, SPIN_ACCESS_DENIED, "The device is opened by another process.");
    return end(&c);
  }
  if (g.set.lock[0] != 0 && (camera->lock_file = take_lock(camera)) < 0) {
    fail(&c, SPIN_ACCESS_DENIED, "The device is opened by another process.");
    return end(&c);
  }
  camera->refs++;
  sleep_fake(g.set.init_ms * MS);
  if (camera_lost(&c, camera) || camera->cut) {
    if (c.rc == 0) fail(&c, SPIN_IO, "Could not read Port at address: 00000000 with length: 00000004");
    if (camera->lock_file >= 0) close(camera->lock_file);
    camera->lock_file = -1;
  } else {
    camera->initialized = true;
    reset_states(&stream_map, camera->stream);
  }
  camera_unref(camera);
  return end(&c);
}

// Ends what Init began. Nodes the caller has not given back end too, and are told of.
static void close_camera(Camera *camera) {
  const int nodes = free_nodes_of(camera, false);
  if (nodes > 0 && g.set.node_leaks) violation("leak", "%d nodes of camera %s were not given back before it was closed", nodes, camera->device->serial);
  for (int i = 0; i < 3; i++) {
    if (i == MAP_TL_DEVICE || camera->maps[i].handle == NULL) continue;
    handle_free(camera->maps[i].handle);
    camera->maps[i].handle = NULL;
  }
  if (camera->lock_file >= 0) close(camera->lock_file);
  camera->lock_file = -1;
  camera->initialized = false;
}

// Ending works on a camera that has gone, too, and says so.
static void gone(Call *call, const Camera *camera, const char *text) {
  if (!camera_lost(call, camera) && camera->cut) fail(call, SPIN_IO, "%s", text);
}

SPIN spinCameraDeInit(spinHandle handle) {
  CALL(c);
  Camera *camera = camera_get(&c, handle);
  if (camera == NULL || !camera->initialized) return end(&c);
  if (camera->streaming) {
    violation("order", "spinCameraDeInit before spinCameraEndAcquisition");
    fail(&c, SPIN_RESOURCE_IN_USE, "Can't de-initialize camera. Camera is still streaming.");
    return end(&c);
  }
  close_camera(camera);
  gone(&c, camera, "Could not write Port at address: 00010004 with length: 00000004");
  return end(&c);
}

SPIN spinCameraRelease(spinHandle handle) {
  CALL(c);
  Camera *camera = camera_get(&c, handle);
  if (camera == NULL) return end(&c);
  if (camera->handles == 1 && camera->initialized) {
    violation("order", "spinCameraRelease before spinCameraDeInit");
    const int held = stream_end(camera);
    if (held > 0) violation("leak", "%d images were held when their camera was released", held);
    close_camera(camera);
  }
  handle_free(handle);
  camera->handles--;
  camera_unref(camera);
  return end(&c);
}

#define ASKED(name, expression)                   \
  SPIN name(spinHandle handle, spinBool *yes) {   \
    CALL(c);                                      \
    const Camera *camera = camera_get(&c, handle); \
    if (camera != NULL && out(&c, yes)) *yes = expression; \
    return end(&c);                               \
  }
ASKED(spinCameraIsValid, camera->valid)
ASKED(spinCameraIsInitialized, camera->valid && camera->initialized)
ASKED(spinCameraIsStreaming, camera->valid && camera->streaming)

SPIN spinCameraGetAccessMode(spinHandle handle, int *mode) {
  CALL(c);
  const Camera *camera = camera_get(&c, handle);
  if (camera != NULL && !camera_lost(&c, camera) && out(&c, mode)) *mode = camera->initialized ? SPIN_ACCESS_RW : SPIN_ACCESS_RO;
  return end(&c);
}

#define NAMED(name, ...)                                             \
  SPIN name(spinHandle handle, char *text, size_t *length) {         \
    CALL(c);                                                         \
    const Camera *camera = camera_get(&c, handle);                   \
    char shown[80];                                                  \
    if (camera != NULL && !camera_lost(&c, camera)) {                \
      snprintf(shown, sizeof shown, __VA_ARGS__, camera->device->serial); \
      put_text(&c, text, length, shown);                             \
    }                                                                \
    return end(&c);                                                  \
  }
NAMED(spinCameraGetUniqueID, "USB\\VID_1E10&PID_4000\\%s_0")
NAMED(spinCameraGetDeviceID, "USB\\VID_1E10&PID_4000\\%s")
NAMED(spinCameraGetDeviceSerialNumber, "%s")

static int give_map(Call *c, spinHandle handle, int which, spinHandle *map) {
  Camera *camera = camera_get(c, handle);
  if (camera == NULL || !out(c, map) || camera_lost(c, camera)) return end(c);
  if (which != MAP_TL_DEVICE && !camera->initialized) {
    fail(c, SPIN_NOT_INITIALIZED, "Camera is not initialized.");
    return end(c);
  }
  Map *one = &camera->maps[which];
  if (one->handle == NULL) one->handle = handle_new(K_MAP, one, camera);
  *map = one->handle;
  return end(c);
}
SPIN spinCameraGetNodeMap(spinHandle camera, spinHandle *map) {
  CALL(c);
  return give_map(&c, camera, MAP_DEVICE, map);
}
SPIN spinCameraGetTLDeviceNodeMap(spinHandle camera, spinHandle *map) {
  CALL(c);
  return give_map(&c, camera, MAP_TL_DEVICE, map);
}
SPIN spinCameraGetTLStreamNodeMap(spinHandle camera, spinHandle *map) {
  CALL(c);
  return give_map(&c, camera, MAP_STREAM, map);
}

// ------------------------------------------------------------------------------------------------ acquisition
SPIN spinCameraBeginAcquisition(spinHandle handle) {
  CALL(c);
  Camera *camera = camera_get(&c, handle);
  if (camera == NULL || camera_lost(&c, camera)) return end(&c);
  if (!camera->initialized) {
    fail(&c, SPIN_NOT_INITIALIZED, "Camera is not initialized.");
  } else if (camera->streaming) {
    fail(&c, SPIN_RESOURCE_IN_USE, "Camera is already streaming.");
  } else if (camera->cut) {
    fail(&c, SPIN_IO, "Could not start acquisition. Please try reconnecting the device.");
  } else {
    camera->refs++;
    sleep_fake(g.set.begin_ms * MS);
    if (!camera_lost(&c, camera) && camera->initialized && !camera->streaming) stream_begin(&c, camera);
    camera_unref(camera);
  }
  return end(&c);
}

SPIN spinCameraEndAcquisition(spinHandle handle) {
  CALL(c);
  Camera *camera = camera_get(&c, handle);
  if (camera == NULL) return end(&c);
  if (!camera->streaming) {
    if (!camera_lost(&c, camera)) fail(&c, SPIN_NOT_INITIALIZED, "Camera is not started.");
  } else if (camera->ending) {
    fail(&c, SPIN_BUSY, "Acquisition is being ended.");
  } else {
    camera->refs++;
    const int held = stream_end(camera);
    if (held > 0) violation("leak", "%d images were held when acquisition ended", held);
    gone(&c, camera, "Could not write Port at address: 000C0000 with length: 00000004");
    camera_unref(camera);
  }
  return end(&c);
}

static void take(Call *c, Camera *camera, int64_t until, spinHandle *image) {
  // A pulled cable shows as silence first, as failing transfers then, and as a camera that is no more once the system has noticed.
  if (camera->cut && camera->ready == 0 && camera->timeouts_left-- <= 0) {
    fail(c, SPIN_IO, "Could not read Port at address: 000C8824 with length: 00000004");
    return;
  }
  for (;;) {
    if (!camera->streaming || camera->ending) {
      fail(c, SPIN_NOT_INITIALIZED, "Camera is not started.");
      return;
    }
    Buffer *buffer = stream_take(camera);
    if (buffer != NULL) {
      *image = buffer->handle = handle_new(K_IMAGE, buffer, camera);
      note(c, "frame %llu", (unsigned long long)buffer->id);
      return;
    }
    if (g.closing || real_now() >= until) {
      fail(c, SPIN_TIMEOUT, "Failed waiting for EventData on NEW_BUFFER_DATA event.");
      return;
    }
    wait_real(until);
  }
}

static int next_image(Call *c, spinHandle handle, uint64_t timeout_ms, spinHandle *image) {
  Camera *camera = camera_get(c, handle);
  if (camera == NULL || !out(c, image) || camera_lost(c, camera)) return end(c);
  *image = NULL;
  camera->refs++;
  take(c, camera, timeout_ms > (uint64_t)1e12 ? FOREVER : real_now() + (int64_t)timeout_ms * MS, image);
  camera_unref(camera);
  return end(c);
}
SPIN spinCameraGetNextImage(spinHandle camera, spinHandle *image) {
  CALL(c);
  return next_image(&c, camera, UINT64_MAX, image);
}
SPIN spinCameraGetNextImageEx(spinHandle camera, uint64_t timeout_ms, spinHandle *image) {
  CALL(c);
  return next_image(&c, camera, timeout_ms, image);
}
