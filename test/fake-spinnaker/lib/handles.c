// Handles are numbers dressed as pointers nobody can follow: kind, generation and place in a table. A wrong, stale or invented one is
// answered with the library's code, and counted where it is a caller's mistake.
#include <stdlib.h>
#include <string.h>

#include "fake.h"

// 0x5FKK GGGG GGII IIII: no address of a process, on x86-64 as on aarch64.
#define MARK UINT64_C(0x5F)
static Slot *table;
static uint32_t table_size, table_used, *spare, spare_count;
static uint32_t labels[K_COUNT];
static const char *const kind_names[K_COUNT] = {"", "system", "camera list", "camera", "node map", "node", "entry", "image", "event handler", "log data"};
static const char *const expected_names[K_COUNT] = {"", "System", "Camera list", "Camera", "Node map", "Node", "Enum entry node", "Image", "Event handler", "Log event data"};

spinHandle handle_new(Kind kind, void *object, Camera *camera) {
  uint32_t at;
  if (spare_count > 0) {
    at = spare[--spare_count];
  } else {
    if (table_used == table_size) {
      const uint32_t size = table_size ? table_size * 2 : 256;
      Slot *grown = realloc(table, size * sizeof *table);
      if (grown == NULL) return NULL;
      table = grown;
      uint32_t *list = realloc(spare, size * sizeof *spare);
      if (list == NULL) return NULL;
      spare = list;
      memset(table + table_size, 0, (size - table_size) * sizeof *table);
      table_size = size;
    }
    at = table_used++;
  }
  Slot *slot = &table[at];
  const uint32_t generation = (slot->generation + 1) & 0xFFFFFF;
  *slot = (Slot){.kind = kind, .generation = generation, .object = object, .camera = camera, .label = ++labels[kind]};
  g.live[kind]++;
  return (spinHandle)(uintptr_t)(MARK << 56 | (uint64_t)kind << 48 | (uint64_t)generation << 24 | at);
}

static Slot *find(spinHandle handle, bool *mine) {
  const uint64_t bits = (uint64_t)(uintptr_t)handle;
  const uint32_t at = bits & 0xFFFFFF;
  *mine = bits >> 56 == MARK && at < table_used && ((bits >> 48) & 0xFF) < K_COUNT;
  if (!*mine) return NULL;
  Slot *slot = &table[at];
  return slot->kind != K_NONE && slot->generation == ((bits >> 24) & 0xFFFFFF) ? slot : NULL;
}

Slot *slot_get(Call *call, spinHandle handle, Kind kind, const char *expected) {
  if (call->rc != 0) return NULL;
  if (handle == NULL) {
    fail(call, SPIN_INVALID_HANDLE, "Handle is NULL");
    return NULL;
  }
  bool mine;
  Slot *slot = find(handle, &mine);
  if (slot == NULL) {
    if (mine) violation("stale", "%s: %s handle that was given back or has ended", call->name, kind_names[((uint64_t)(uintptr_t)handle >> 48) & 0xFF]);
    else violation("handle", "%s: not a handle of this library", call->name);
    fail(call, SPIN_INVALID_HANDLE, "Handle is not valid");
    return NULL;
  }
  // Value functions of a node take nodes; those of an entry are nodes too, of another kind.
  if (slot->kind != kind) {
    violation("handle", "%s: %s handle where a %s handle belongs", call->name, kind_names[slot->kind], kind_names[kind]);
    fail(call, SPIN_INVALID_HANDLE, "Incorrect handle exception thrown. Expected: %s handle", expected ? expected : expected_names[kind]);
    return NULL;
  }
  if (call->on[0] == 0) snprintf(call->on, sizeof call->on, "%s#%u", kind_names[kind], slot->label);
  return slot;
}

Kind kind_of(spinHandle handle) {
  bool mine;
  const Slot *slot = find(handle, &mine);
  return slot == NULL ? K_NONE : slot->kind;
}

void *object_get(Call *call, spinHandle handle, Kind kind) {
  Slot *slot = slot_get(call, handle, kind, NULL);
  return slot == NULL ? NULL : slot->object;
}

static void free_at(uint32_t at) {
  g.live[table[at].kind]--;
  table[at].kind = K_NONE;
  table[at].object = NULL;
  spare[spare_count++] = at;
}

void handle_free(spinHandle handle) {
  bool mine;
  Slot *slot = find(handle, &mine);
  if (slot != NULL) free_at((uint32_t)(slot - table));
}

// Ends nodes and entries of a camera's maps; returns how many of them the caller had not given back.
int free_nodes_of(const Camera *camera, bool tl_device_too) {
  int count = 0;
  for (uint32_t at = 0; at < table_used; at++) {
    const Slot *slot = &table[at];
    if ((slot->kind != K_NODE && slot->kind != K_ENTRY) || slot->camera != camera) continue;
    if (!tl_device_too && ((Map *)slot->object)->kind == &tl_device_map) continue;
    free_at(at);
    count++;
  }
  return count;
}

// With the last reference to the system. Returns how many nodes of its map the caller had not given back.
int handles_clear(void) {
  int nodes = 0;
  for (uint32_t at = 0; at < table_used; at++) {
    if (table[at].kind == K_NONE) continue;
    nodes += table[at].kind == K_NODE || table[at].kind == K_ENTRY;
    free_at(at);
  }
  return nodes;
}

void handles_free(void) {
  free(table);
  free(spare);
  table = NULL;
  spare = NULL;
  table_size = table_used = spare_count = 0;
}
