// The system and lists of cameras.
#include <stdlib.h>
#include <string.h>

#include "fake.h"

SPIN spinSystemGetInstance(spinHandle *system) {
  CALL(c);
  if (!out(&c, system)) return end(&c);
  const char *variable = g.set.version[0] < 4 ? "FLIR_GENTL64_CTI" : "SPINNAKER_GENTL64_CTI";
  if (start_up_error[0] != 0) {
    fail(&c, SPIN_ERROR, "%s", start_up_error);
  } else if (g.set.require_cti && getenv(variable) == NULL) {
    fail(&c, SPIN_ABORT, "could not load producer. make sure the environment variable %s exists, and points to the location of the file %s", variable,
         g.set.version[0] < 4 ? "FLIR_GenTL.cti" : "Spinnaker_GenTL.cti");
  } else {
    if (g.instances++ == 0) {
      g.owner = thread_number();
      g.system = handle_new(K_SYSTEM, &g, NULL);
      g.level = SPIN_LOG_ERROR;
      reset_states(&system_map, g.system_states);
      g.system_map_object = (Map){.kind = &system_map, .states = g.system_states};
      for (int i = 0; i < MAX_DEVICES; i++) g.devices[i].seen = g.devices[i].detected;
    }
    *system = g.system;
    note(&c, "instance %d", g.instances);
  }
  return end(&c);
}

SPIN spinSystemReleaseInstance(spinHandle system) {
  CALL(c);
  if (object_get(&c, system, K_SYSTEM) == NULL) return end(&c);
  const int cameras = g.live[K_CAMERA], lists = g.live[K_LIST], images = g.live[K_IMAGE], handlers = g.live[K_HANDLER];
  if (g.instances == 1 && cameras + lists + images + handlers > 0) {
    violation("leak", "the system was released with %d cameras, %d lists, %d images and %d event handlers held", cameras, lists, images, handlers);
    fail(&c, SPIN_RESOURCE_IN_USE, "Can't clear a camera because something still holds a reference to the camera");
    return end(&c);
  }
  if (--g.instances == 0) {
    events_clear();
    const int nodes = handles_clear();
    if (nodes > 0 && g.set.node_leaks) violation("leak", "%d nodes of the system's map were not given back", nodes);
    cameras_clear();
    g.owner = 0;
    g.system = NULL;
  }
  return end(&c);
}

SPIN spinSystemIsInUse(spinHandle system, spinBool *in_use) {
  CALL(c);
  if (object_get(&c, system, K_SYSTEM) != NULL && out(&c, in_use)) *in_use = g.live[K_CAMERA] > 0;
  return end(&c);
}

SPIN spinSystemGetLibraryVersion(spinHandle system, spinVersion *version) {
  CALL(c);
  if (object_get(&c, system, K_SYSTEM) != NULL && out(&c, version)) {
    *version = (spinVersion){g.set.version[0], g.set.version[1], g.set.version[2], g.set.version[3]};
  }
  return end(&c);
}

SPIN spinSystemGetTLNodeMap(spinHandle system, spinHandle *map) {
  CALL(c);
  if (object_get(&c, system, K_SYSTEM) != NULL && out(&c, map)) {
    if (g.system_map_object.handle == NULL) g.system_map_object.handle = handle_new(K_MAP, &g.system_map_object, NULL);
    *map = g.system_map_object.handle;
  }
  return end(&c);
}

SPIN spinSystemSetLoggingLevel(spinHandle system, int level) {
  CALL(c);
  if (object_get(&c, system, K_SYSTEM) != NULL) g.level = level;
  return end(&c);
}

SPIN spinSystemGetLoggingLevel(spinHandle system, int *level) {
  CALL(c);
  if (object_get(&c, system, K_SYSTEM) != NULL && out(&c, level)) *level = g.level;
  return end(&c);
}

static bool update(void) {
  bool different = false;
  for (int i = 0; i < MAX_DEVICES; i++) {
    different = different || g.devices[i].seen != g.devices[i].detected;
    g.devices[i].seen = g.devices[i].detected;
  }
  return different;
}

SPIN spinSystemUpdateCameras(spinHandle system, spinBool *different) {
  CALL(c);
  if (object_get(&c, system, K_SYSTEM) != NULL && out(&c, different)) *different = update();
  return end(&c);
}
SPIN spinSystemUpdateCamerasEx(spinHandle system, spinBool interfaces, spinBool *different) {
  CALL(c);
  (void)interfaces;
  if (object_get(&c, system, K_SYSTEM) != NULL && out(&c, different)) *different = update();
  return end(&c);
}

// ------------------------------------------------------------------------------------------------ lists
static void empty(List *list) {
  for (int i = 0; i < list->count; i++) camera_unref(list->cameras[i]);
  list->count = 0;
}

static int enumerate(Call *c, spinHandle system, spinHandle handle) {
  if (object_get(c, system, K_SYSTEM) == NULL) return end(c);
  List *list = object_get(c, handle, K_LIST);
  if (list == NULL) return end(c);
  if (g.live[K_CAMERA] > 0) violation("order", "%s while %d cameras of an earlier enumeration are held", c->name, g.live[K_CAMERA]);
  update();
  empty(list);
  for (int i = 0; i < MAX_DEVICES; i++) {
    Device *device = &g.devices[i];
    if (!device->listed || !device->detected) continue;
    Camera *camera = camera_of(device);
    if (camera == NULL) {
      fail(c, SPIN_OUT_OF_MEMORY, "Out of memory");
      break;
    }
    camera->refs++;
    list->cameras[list->count++] = camera;
  }
  note(c, "%d cameras", list->count);
  return end(c);
}

SPIN spinSystemGetCameras(spinHandle system, spinHandle list) {
  CALL(c);
  return enumerate(&c, system, list);
}
SPIN spinSystemGetCamerasEx(spinHandle system, spinBool interfaces, spinBool cameras, spinHandle list) {
  CALL(c);
  (void)interfaces;
  (void)cameras;
  return enumerate(&c, system, list);
}

SPIN spinCameraListCreateEmpty(spinHandle *list) {
  CALL(c);
  if (out(&c, list)) {
    List *made = calloc(1, sizeof *made);
    *list = made == NULL ? NULL : handle_new(K_LIST, made, NULL);
    if (*list == NULL) fail(&c, SPIN_OUT_OF_MEMORY, "Out of memory");
  }
  return end(&c);
}

static bool held(Call *c, const List *list) {
  for (int i = 0; i < list->count; i++) {
    if (list->cameras[i]->handles == 0) continue;
    violation("order", "%s while a camera of the list is held", c->name);
    fail(c, SPIN_RESOURCE_IN_USE, "Can't clear a camera because something still holds a reference to the camera");
    return true;
  }
  return false;
}

SPIN spinCameraListClear(spinHandle handle) {
  CALL(c);
  List *list = object_get(&c, handle, K_LIST);
  if (list != NULL && !held(&c, list)) empty(list);
  return end(&c);
}

SPIN spinCameraListDestroy(spinHandle handle) {
  CALL(c);
  List *list = object_get(&c, handle, K_LIST);
  if (list != NULL && !held(&c, list)) {
    if (list->count > 0) violation("order", "%s before spinCameraListClear", c.name);
    empty(list);
    handle_free(handle);
    free(list);
  }
  return end(&c);
}

SPIN spinCameraListGetSize(spinHandle handle, size_t *size) {
  CALL(c);
  const List *list = object_get(&c, handle, K_LIST);
  if (list != NULL && out(&c, size)) *size = (size_t)list->count;
  return end(&c);
}

static void give(Call *c, Camera *camera, spinHandle *handle) {
  *handle = handle_new(K_CAMERA, camera, camera);
  if (*handle == NULL) {
    fail(c, SPIN_OUT_OF_MEMORY, "Out of memory");
    return;
  }
  camera->handles++;
  camera->refs++;
  note(c, "%s", camera->device->serial);
}

SPIN spinCameraListGet(spinHandle handle, size_t index, spinHandle *camera) {
  CALL(c);
  const List *list = object_get(&c, handle, K_LIST);
  if (list != NULL && out(&c, camera)) {
    if (index < (size_t)list->count) give(&c, list->cameras[index], camera);
    else fail(&c, SPIN_INVALID_INDEX, "Index %zu is out of range, the list has %d cameras", index, list->count);
  }
  return end(&c);
}

SPIN spinCameraListGetBySerial(spinHandle handle, const char *serial, spinHandle *camera) {
  CALL(c);
  const List *list = object_get(&c, handle, K_LIST);
  if (list != NULL && out(&c, serial) && out(&c, camera)) {
    *camera = NULL;  // an unknown serial number is no error
    note(&c, "%s: none", serial);
    for (int i = 0; i < list->count; i++) {
      if (strcmp(list->cameras[i]->device->serial, serial) != 0) continue;
      give(&c, list->cameras[i], camera);
      break;
    }
  }
  return end(&c);
}
