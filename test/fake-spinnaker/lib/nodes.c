// What all node maps share: access, ranges, values by selector.
#include <string.h>

#include "fake.h"

int find_node(const MapClass *kind, const char *name) {
  for (int id = 0; id < kind->count; id++) {
    if (strcmp(kind->specs[id].name, name) == 0) return id;
  }
  return -1;
}

void reset_states(const MapClass *kind, NodeState *states) {
  for (int id = 0; id < kind->count; id++) {
    const NodeSpec *spec = &kind->specs[id];
    NodeState *state = &states[id];
    memset(state, 0, sizeof *state);
    for (int slot = 0; slot < MAX_SLOTS; slot++) {
      if (spec->type == SPIN_NODE_FLOAT) state->at[slot].f = spec->init;
      else state->at[slot].i = (int64_t)spec->init;
    }
    if (spec->type == SPIN_NODE_STRING && spec->text != NULL) snprintf(state->text, sizeof state->text, "%s", spec->text);
  }
}

int slot_of(const Map *map, int id) {
  const int selector = map->kind->specs[id].selector;
  return selector < 0 ? 0 : (int)map->states[selector].at[0].i;
}

int access_of(Map *map, int id) {
  const NodeSpec *spec = &map->kind->specs[id];
  if (map->kind == &device_map && g.access[id] > 0) return g.access[id] - 1;
  const int narrowed = map->kind->access == NULL ? spec->access : map->kind->access(map, id);
  if (narrowed != SPIN_ACCESS_RW && narrowed != SPIN_ACCESS_WO) return narrowed;
  if (spec->locked && map->camera != NULL && map->camera->streaming) return narrowed == SPIN_ACCESS_RW ? SPIN_ACCESS_RO : SPIN_ACCESS_NA;
  return narrowed;
}

void limits_of(Map *map, int id, Limits *limits) {
  const NodeSpec *spec = &map->kind->specs[id];
  *limits = (Limits){spec->min, spec->max, spec->inc};
  if (map->kind->limits != NULL) map->kind->limits(map, id, limits);
}

Value value_of(Map *map, int id) {
  const int slot = slot_of(map, id);
  Value value = map->states[id].at[slot];
  if (map->kind->value != NULL) map->kind->value(map, id, slot, &value);
  return value;
}

bool offers(Map *map, int id, int ordinal) { return map->kind->offers == NULL || map->kind->offers(map, id, ordinal); }

// Never the ordinal: a camera's XML numbers its entries as it likes, and SetIntValue takes that number.
int64_t entry_integer(const Map *map, int id, int ordinal) {
  return map->kind == &device_map && id == D_PixelFormat ? (int64_t)format_codes[ordinal] : ordinal * 10 + 101;
}
