// Node maps and what all nodes have in common.
#include <stdlib.h>
#include <string.h>

#include "fake.h"

// A register of the camera cannot be reached once the cable is out; a camera the library has given up cannot be asked at all.
bool reach(Call *call, const Map *map) {
  if (call->rc != 0) return false;
  if (map->camera == NULL) return true;
  if (!map->camera->valid) {
    fail(call, SPIN_NOT_INITIALIZED, "Camera has been removed from the list and is no longer valid.");
  } else if (map->camera->cut && map->kind == &device_map) {
    fail(call, SPIN_IO, "Could not read Port at address: 000C8824 with length: 00000004");
  }
  return call->rc == 0;
}

// A node or an entry of an enumeration.
Slot *node_get(Call *call, spinHandle handle) {
  Slot *slot = slot_get(call, handle, kind_of(handle) == K_ENTRY ? K_ENTRY : K_NODE, NULL);
  if (slot != NULL) snprintf(call->on, sizeof call->on, "%s", ((Map *)slot->object)->kind->specs[slot->id].name);
  return slot;
}

static void give_node(Call *call, Map *map, int id, spinHandle *node) {
  *node = handle_new(K_NODE, map, map->camera);
  if (*node == NULL) {
    fail(call, SPIN_OUT_OF_MEMORY, "Out of memory");
    return;
  }
  Slot *slot = slot_get(call, *node, K_NODE, NULL);
  slot->id = id;
  slot->ordinal = -1;
  slot->unavailable = access_of(map, id) <= SPIN_ACCESS_NA;
  note(call, "%s", map->kind->specs[id].name);
}

SPIN spinNodeMapGetNode(spinHandle hMap, const char *name, spinHandle *node) {
  CALL(c);
  Map *map = object_get(&c, hMap, K_MAP);
  if (map != NULL && out(&c, name) && out(&c, node) && reach(&c, map)) {
    const int id = find_node(map->kind, name);
    *node = NULL;  // an unknown name is no error
    if (id >= 0) give_node(&c, map, id, node);
    else note(&c, "%s: none", name);
  }
  return end(&c);
}

SPIN spinNodeMapReleaseNode(spinHandle hMap, spinHandle hNode) {
  CALL(c);
  Map *map = object_get(&c, hMap, K_MAP);
  Slot *slot = map == NULL ? NULL : slot_get(&c, hNode, K_NODE, NULL);
  if (slot != NULL && slot->object != map) fail(&c, SPIN_INVALID_HANDLE, "The node is of another map");
  else if (slot != NULL) handle_free(hNode);
  return end(&c);
}

SPIN spinNodeMapGetNumNodes(spinHandle hMap, size_t *count) {
  CALL(c);
  const Map *map = object_get(&c, hMap, K_MAP);
  if (map != NULL && out(&c, count)) *count = (size_t)map->kind->count;
  return end(&c);
}

SPIN spinNodeMapGetNodeByIndex(spinHandle hMap, size_t index, spinHandle *node) {
  CALL(c);
  Map *map = object_get(&c, hMap, K_MAP);
  if (map != NULL && out(&c, node) && reach(&c, map)) {
    if (index < (size_t)map->kind->count) give_node(&c, map, (int)index, node);
    else fail(&c, SPIN_INVALID_INDEX, "Index %zu is out of range", index);
  }
  return end(&c);
}

SPIN spinNodeMapPoll(spinHandle hMap, int64_t elapsed_ms) {
  CALL(c);
  const Map *map = object_get(&c, hMap, K_MAP);
  (void)elapsed_ms;
  if (map != NULL) reach(&c, map);
  return end(&c);
}

// An entry is as its enumeration, and not available where the camera does not offer it now.
static int node_access(const Slot *slot) {
  Map *map = slot->object;
  const int access = access_of(map, slot->id);
  if (slot->kind == K_ENTRY) return access <= SPIN_ACCESS_NA || !offers(map, slot->id, slot->ordinal) ? SPIN_ACCESS_NA : SPIN_ACCESS_RO;
  return access;
}

#define ASKED(name, expression)                   \
  SPIN name(spinHandle node, spinBool *yes) {     \
    CALL(c);                                      \
    const Slot *slot = node_get(&c, node);        \
    if (slot != NULL && out(&c, yes)) {           \
      const int access = node_access(slot);       \
      *yes = expression;                          \
    }                                             \
    return end(&c);                               \
  }
ASKED(spinNodeIsImplemented, access != SPIN_ACCESS_NI)
ASKED(spinNodeIsAvailable, access > SPIN_ACCESS_NA)
ASKED(spinNodeIsReadable, access == SPIN_ACCESS_RO || access == SPIN_ACCESS_RW)
ASKED(spinNodeIsWritable, access == SPIN_ACCESS_WO || access == SPIN_ACCESS_RW)

SPIN spinNodeGetAccessMode(spinHandle node, int *mode) {
  CALL(c);
  const Slot *slot = node_get(&c, node);
  if (slot != NULL && out(&c, mode)) *mode = node_access(slot);
  return end(&c);
}

SPIN spinNodeGetType(spinHandle node, int *type) {
  CALL(c);
  const Slot *slot = node_get(&c, node);
  if (slot != NULL && out(&c, type)) *type = slot->kind == K_ENTRY ? SPIN_NODE_ENTRY : ((Map *)slot->object)->kind->specs[slot->id].type;
  return end(&c);
}

SPIN spinNodeGetName(spinHandle node, char *text, size_t *length) {
  CALL(c);
  const Slot *slot = node_get(&c, node);
  if (slot != NULL) {
    const NodeSpec *spec = &((Map *)slot->object)->kind->specs[slot->id];
    char name[128];
    if (slot->kind == K_ENTRY) snprintf(name, sizeof name, "EnumEntry_%s_%s", spec->name, spec->entries[slot->ordinal]);
    else snprintf(name, sizeof name, "%s", spec->name);
    put_text(&c, text, length, name);
  }
  return end(&c);
}

// "ExposureTime" reads "Exposure Time".
SPIN spinNodeGetDisplayName(spinHandle node, char *text, size_t *length) {
  CALL(c);
  const Slot *slot = node_get(&c, node);
  if (slot != NULL) {
    const NodeSpec *spec = &((Map *)slot->object)->kind->specs[slot->id];
    const char *name = slot->kind == K_ENTRY ? spec->entries[slot->ordinal] : spec->name;
    char spaced[128];
    size_t at = 0;
    for (size_t i = 0; name[i] != 0 && at + 2 < sizeof spaced; i++) {
      if (i > 0 && name[i] >= 'A' && name[i] <= 'Z' && name[i - 1] >= 'a' && name[i - 1] <= 'z') spaced[at++] = ' ';
      spaced[at++] = name[i];
    }
    spaced[at] = 0;
    put_text(&c, text, length, spaced);
  }
  return end(&c);
}

SPIN spinNodeGetVisibility(spinHandle node, int *visibility) {
  CALL(c);
  if (node_get(&c, node) != NULL && out(&c, visibility)) *visibility = 0;
  return end(&c);
}

SPIN spinNodeInvalidateNode(spinHandle node) {
  CALL(c);
  node_get(&c, node);
  return end(&c);
}
