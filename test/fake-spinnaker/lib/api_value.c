// Values of nodes, by type and as text. Refusals read as the GenICam reference implementation words them.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

static const char *const type_names[] = {"Value", "Base", "Integer", "Boolean", "Float", "Command", "String", "Register", "Enumeration"};

// The node behind a handle that has to be of one type.
static Slot *typed(Call *call, spinHandle handle, int type) {
  char expected[40];
  snprintf(expected, sizeof expected, "%s node", type_names[type]);
  Slot *slot = slot_get(call, handle, K_NODE, expected);
  if (slot == NULL) return NULL;
  const NodeSpec *spec = &((Map *)slot->object)->kind->specs[slot->id];
  snprintf(call->on, sizeof call->on, "%s", spec->name);
  if (spec->type != type || slot->unavailable) {
    if (spec->type != type) violation("handle", "%s on %s, which is another type", call->name, spec->name);
    fail(call, SPIN_INVALID_HANDLE, "Incorrect handle exception thrown. Expected: %s handle", expected);
    return NULL;
  }
  return reach(call, slot->object) ? slot : NULL;
}

static void refuse(Call *call, int code, const char *exception, const Slot *slot, const char *method, const char *text) {
  const char *name = ((Map *)slot->object)->kind->specs[slot->id].name;
  fail(call, code, "GenICam::%s= %s : %s thrown in node '%s' while calling '%s.%s()'", exception, text, exception, name, name, method);
}

static bool readable(Call *call, const Slot *slot) {
  const int access = access_of(slot->object, slot->id);
  if (access == SPIN_ACCESS_RO || access == SPIN_ACCESS_RW) return true;
  refuse(call, SPIN_GENICAM_ACCESS, "AccessException", slot, "GetValue", "Node is not readable.");
  return false;
}

static bool writable(Call *call, const Slot *slot, const char *method) {
  const int access = access_of(slot->object, slot->id);
  if (access == SPIN_ACCESS_WO || access == SPIN_ACCESS_RW) return true;
  refuse(call, SPIN_GENICAM_ACCESS, "AccessException", slot, method, "Node is not writable.");
  return false;
}

static void store(const Slot *slot, Value value) {
  Map *map = slot->object;
  map->states[slot->id].at[slot_of(map, slot->id)] = value;
  if (map->kind->written != NULL) map->kind->written(map, slot->id);
}

static void set_integer(Call *call, const Slot *slot, int64_t value, const char *method) {
  Map *map = slot->object;
  note(call, "%lld", (long long)value);
  if (!writable(call, slot, method)) return;
  Limits l;
  limits_of(map, slot->id, &l);
  char text[200];
  const double v = (double)value;
  if (v > l.max) {
    snprintf(text, sizeof text, "Value = %lld must be equal or smaller than Max = %.0f.", (long long)value, l.max);
  } else if (v < l.min) {
    snprintf(text, sizeof text, "Value = %lld must be equal or greater than Min = %.0f.", (long long)value, l.min);
  } else if (l.inc > 1 && fmod(v - l.min, l.inc) != 0) {
    snprintf(text, sizeof text, "The difference between Value = %lld and Min = %.0f must be dividable without rest by Inc = %.0f.", (long long)value, l.min, l.inc);
  } else {
    store(slot, (Value){.i = value});
    return;
  }
  refuse(call, SPIN_GENICAM_OUT_OF_RANGE, "OutOfRangeException", slot, method, text);
}

static void set_float(Call *call, const Slot *slot, double value, const char *method) {
  Map *map = slot->object;
  note(call, "%g", value);
  if (!writable(call, slot, method)) return;
  Limits l;
  limits_of(map, slot->id, &l);
  char text[200];
  if (value >= l.min && value <= l.max) {
    // The camera rounds to its own steps; who sets must read back.
    store(slot, (Value){.f = l.inc > 0 ? l.min + floor((value - l.min) / l.inc + 1e-9) * l.inc : value});
    return;
  }
  if (value > l.max) snprintf(text, sizeof text, "Value = %f must be equal or smaller than Max = %f.", value, l.max);
  else snprintf(text, sizeof text, "Value = %f must be equal or greater than Min = %f.", value, l.min);
  refuse(call, SPIN_GENICAM_OUT_OF_RANGE, "OutOfRangeException", slot, method, text);
}

static int entry_named(Map *map, int id, const char *name) {
  const char *const *entries = map->kind->specs[id].entries;
  for (int i = 0; entries[i] != NULL; i++) {
    if (strcmp(entries[i], name) == 0) return i;
  }
  return -1;
}

static void set_entry(Call *call, const Slot *slot, int ordinal, const char *shown, const char *method) {
  Map *map = slot->object;
  note(call, "%s", ordinal >= 0 ? map->kind->specs[slot->id].entries[ordinal] : shown);
  if (!writable(call, slot, method)) return;
  if (ordinal >= 0 && offers(map, slot->id, ordinal)) {
    store(slot, (Value){.i = ordinal});
    return;
  }
  char text[200];
  snprintf(text, sizeof text, "Feature '%s' : cannot convert value '%s', the value is invalid.", map->kind->specs[slot->id].name, shown);
  refuse(call, SPIN_GENICAM_INVALID_ARGUMENT, "InvalidArgumentException", slot, method, text);
}

static const char *node_text(Map *map, int id, char *space, size_t size) {
  const char *text = map->kind->text == NULL ? NULL : map->kind->text(map, id, space, size);
  return text == NULL ? map->states[id].text : text;
}

// ------------------------------------------------------------------------------------------------ integer, float, boolean
#define GETTER(name, kind, type, condition, expression) \
  SPIN name(spinHandle node, type *value) {             \
    CALL(c);                                            \
    const Slot *slot = typed(&c, node, kind);           \
    if (slot != NULL && out(&c, value) && condition) {  \
      Map *map = slot->object;                          \
      Limits l;                                         \
      limits_of(map, slot->id, &l);                     \
      *value = expression;                              \
    }                                                   \
    return end(&c);                                     \
  }
GETTER(spinIntegerGetValue, SPIN_NODE_INTEGER, int64_t, readable(&c, slot), value_of(map, slot->id).i)
GETTER(spinIntegerGetMin, SPIN_NODE_INTEGER, int64_t, true, (int64_t)l.min)
GETTER(spinIntegerGetMax, SPIN_NODE_INTEGER, int64_t, true, (int64_t)l.max)
GETTER(spinIntegerGetInc, SPIN_NODE_INTEGER, int64_t, true, l.inc < 1 ? 1 : (int64_t)l.inc)
GETTER(spinFloatGetValue, SPIN_NODE_FLOAT, double, readable(&c, slot), value_of(map, slot->id).f)
GETTER(spinFloatGetMin, SPIN_NODE_FLOAT, double, true, l.min)
GETTER(spinFloatGetMax, SPIN_NODE_FLOAT, double, true, l.max)
GETTER(spinBooleanGetValue, SPIN_NODE_BOOLEAN, spinBool, readable(&c, slot), value_of(map, slot->id).i != 0)
GETTER(spinStringGetMaxLength, SPIN_NODE_STRING, int64_t, true, (int64_t)sizeof map->states[0].text - 1)

SPIN spinIntegerSetValue(spinHandle node, int64_t value) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_INTEGER);
  if (slot != NULL) set_integer(&c, slot, value, "SetValue");
  return end(&c);
}

SPIN spinFloatSetValue(spinHandle node, double value) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_FLOAT);
  if (slot != NULL) set_float(&c, slot, value, "SetValue");
  return end(&c);
}

SPIN spinFloatGetUnit(spinHandle node, char *text, size_t *length) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_FLOAT);
  if (slot != NULL) put_text(&c, text, length, ((Map *)slot->object)->kind->specs[slot->id].text);
  return end(&c);
}

SPIN spinBooleanSetValue(spinHandle node, spinBool value) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_BOOLEAN);
  if (slot != NULL) {
    note(&c, "%d", value != 0);
    if (writable(&c, slot, "SetValue")) store(slot, (Value){.i = value != 0});
  }
  return end(&c);
}

// ------------------------------------------------------------------------------------------------ string, command
SPIN spinStringGetValue(spinHandle node, char *text, size_t *length) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_STRING);
  char space[128];
  if (slot != NULL && readable(&c, slot)) put_text(&c, text, length, node_text(slot->object, slot->id, space, sizeof space));
  return end(&c);
}

static void set_text(Call *call, const Slot *slot, const char *text, const char *method) {
  Map *map = slot->object;
  NodeState *state = &map->states[slot->id];
  note(call, "%s", text);
  if (!writable(call, slot, method)) return;
  if (strlen(text) >= sizeof state->text) refuse(call, SPIN_GENICAM_OUT_OF_RANGE, "OutOfRangeException", slot, method, "The string is too long.");
  else snprintf(state->text, sizeof state->text, "%s", text);
}

SPIN spinStringSetValue(spinHandle node, const char *text) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_STRING);
  if (slot != NULL && out(&c, text)) set_text(&c, slot, text, "SetValue");
  return end(&c);
}

static void execute(Call *call, const Slot *slot) {
  Map *map = slot->object;
  if (writable(call, slot, "Execute") && map->kind->execute != NULL) map->kind->execute(call, map, slot->id);
}

SPIN spinCommandExecute(spinHandle node) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_COMMAND);
  if (slot != NULL) execute(&c, slot);
  return end(&c);
}

SPIN spinCommandIsDone(spinHandle node, spinBool *done) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_COMMAND);
  if (slot != NULL && out(&c, done)) *done = fake_now() >= ((Map *)slot->object)->device->busy_until;
  return end(&c);
}

// ------------------------------------------------------------------------------------------------ enumeration
static void give_entry(Call *call, const Slot *slot, int ordinal, spinHandle *entry) {
  Map *map = slot->object;
  const int id = slot->id;
  *entry = handle_new(K_ENTRY, map, map->camera);  // the table may move: `slot` ends here
  if (*entry == NULL) {
    fail(call, SPIN_OUT_OF_MEMORY, "Out of memory");
    return;
  }
  Slot *made = slot_get(call, *entry, K_ENTRY, NULL);
  made->id = id;
  made->ordinal = ordinal;
  note(call, "%s", map->kind->specs[id].entries[ordinal]);
}

static int entries_of(const Slot *slot) {
  int count = 0;
  while (((Map *)slot->object)->kind->specs[slot->id].entries[count] != NULL) count++;
  return count;
}

SPIN spinEnumerationGetNumEntries(spinHandle node, size_t *count) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_ENUMERATION);
  if (slot != NULL && out(&c, count)) *count = (size_t)entries_of(slot);
  return end(&c);
}

SPIN spinEnumerationGetEntryByIndex(spinHandle node, size_t index, spinHandle *entry) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_ENUMERATION);
  if (slot != NULL && out(&c, entry)) {
    if (index < (size_t)entries_of(slot)) give_entry(&c, slot, (int)index, entry);
    else fail(&c, SPIN_INVALID_INDEX, "Index %zu is out of range", index);
  }
  return end(&c);
}

SPIN spinEnumerationGetEntryByName(spinHandle node, const char *name, spinHandle *entry) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_ENUMERATION);
  if (slot != NULL && out(&c, name) && out(&c, entry)) {
    const int ordinal = entry_named(slot->object, slot->id, name);
    *entry = NULL;  // an unknown name is no error
    if (ordinal >= 0) give_entry(&c, slot, ordinal, entry);
  }
  return end(&c);
}

SPIN spinEnumerationGetCurrentEntry(spinHandle node, spinHandle *entry) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_ENUMERATION);
  if (slot != NULL && out(&c, entry) && readable(&c, slot)) give_entry(&c, slot, (int)value_of(slot->object, slot->id).i, entry);
  return end(&c);
}

SPIN spinEnumerationReleaseNode(spinHandle node, spinHandle entry) {
  CALL(c);
  const Slot *slot = slot_get(&c, node, K_NODE, "Enumeration node");
  if (slot != NULL && slot_get(&c, entry, K_ENTRY, NULL) != NULL) handle_free(entry);
  return end(&c);
}

SPIN spinEnumerationSetIntValue(spinHandle node, int64_t value) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_ENUMERATION);
  if (slot != NULL) {
    int ordinal = entries_of(slot) - 1;
    while (ordinal >= 0 && entry_integer(slot->object, slot->id, ordinal) != value) ordinal--;
    char shown[32];
    snprintf(shown, sizeof shown, "%lld", (long long)value);
    set_entry(&c, slot, ordinal, shown, "SetIntValue");
  }
  return end(&c);
}

SPIN spinEnumerationSetEnumValue(spinHandle node, size_t ordinal) {
  CALL(c);
  const Slot *slot = typed(&c, node, SPIN_NODE_ENUMERATION);
  if (slot != NULL) {
    char shown[32];
    snprintf(shown, sizeof shown, "%zu", ordinal);
    set_entry(&c, slot, ordinal < (size_t)entries_of(slot) ? (int)ordinal : -1, shown, "SetEnumValue");
  }
  return end(&c);
}

static const Slot *entry_get(Call *call, spinHandle entry) { return slot_get(call, entry, K_ENTRY, NULL); }

SPIN spinEnumerationEntryGetIntValue(spinHandle entry, int64_t *value) {
  CALL(c);
  const Slot *slot = entry_get(&c, entry);
  if (slot != NULL && out(&c, value)) *value = entry_integer(slot->object, slot->id, slot->ordinal);
  return end(&c);
}

SPIN spinEnumerationEntryGetEnumValue(spinHandle entry, size_t *ordinal) {
  CALL(c);
  const Slot *slot = entry_get(&c, entry);
  if (slot != NULL && out(&c, ordinal)) *ordinal = (size_t)slot->ordinal;
  return end(&c);
}

SPIN spinEnumerationEntryGetSymbolic(spinHandle entry, char *text, size_t *length) {
  CALL(c);
  const Slot *slot = entry_get(&c, entry);
  if (slot != NULL) put_text(&c, text, length, ((Map *)slot->object)->kind->specs[slot->id].entries[slot->ordinal]);
  return end(&c);
}

// ------------------------------------------------------------------------------------------------ as text
static int to_text(Call *call, spinHandle node, char *text, size_t *length) {
  const Slot *slot = node_get(call, node);
  if (slot == NULL || !reach(call, slot->object)) return 0;
  Map *map = slot->object;
  const NodeSpec *spec = &map->kind->specs[slot->id];
  char space[128];
  const char *shown = space;
  if (slot->kind == K_ENTRY) {
    shown = spec->entries[slot->ordinal];
  } else {
    if (!readable(call, slot)) return 0;
    const Value v = value_of(map, slot->id);
    if (spec->type == SPIN_NODE_STRING) shown = node_text(map, slot->id, space, sizeof space);
    else if (spec->type == SPIN_NODE_ENUMERATION) shown = spec->entries[v.i];
    else if (spec->type == SPIN_NODE_FLOAT) snprintf(space, sizeof space, "%.10g", v.f);
    else snprintf(space, sizeof space, "%lld", (long long)v.i);
  }
  put_text(call, text, length, shown);
  return 0;
}

static void invalid(Call *call, const Slot *slot, const char *text) {
  char why[200];
  snprintf(why, sizeof why, "Feature '%s' : cannot convert value '%s', the value is invalid.", ((Map *)slot->object)->kind->specs[slot->id].name, text);
  refuse(call, SPIN_GENICAM_INVALID_ARGUMENT, "InvalidArgumentException", slot, "FromString", why);
}

static void from_text(Call *call, spinHandle node, const char *text) {
  const Slot *slot = slot_get(call, node, K_NODE, NULL);
  if (slot == NULL || !out(call, text) || !reach(call, slot->object)) return;
  Map *map = slot->object;
  const NodeSpec *spec = &map->kind->specs[slot->id];
  snprintf(call->on, sizeof call->on, "%s", spec->name);
  if (slot->unavailable) {
    fail(call, SPIN_INVALID_HANDLE, "Incorrect handle exception thrown. Expected: Value node handle");
    return;
  }
  char *rest = NULL;
  errno = 0;
  switch (spec->type) {
    case SPIN_NODE_INTEGER: {
      const int64_t value = strtoll(text, &rest, 0);
      if (errno != 0 || rest == text || *rest != 0) invalid(call, slot, text);
      else set_integer(call, slot, value, "FromString");
      break;
    }
    case SPIN_NODE_FLOAT: {
      const double value = strtod(text, &rest);
      if (errno != 0 || rest == text || *rest != 0) invalid(call, slot, text);
      else set_float(call, slot, value, "FromString");
      break;
    }
    case SPIN_NODE_BOOLEAN: {
      const bool yes = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
      note(call, "%s", text);
      if (!yes && strcmp(text, "0") != 0 && strcmp(text, "false") != 0) invalid(call, slot, text);
      else if (writable(call, slot, "FromString")) store(slot, (Value){.i = yes});
      break;
    }
    case SPIN_NODE_STRING: set_text(call, slot, text, "FromString"); break;
    case SPIN_NODE_ENUMERATION: set_entry(call, slot, entry_named(map, slot->id, text), text, "FromString"); break;
    default: execute(call, slot); break;
  }
}

SPIN spinNodeToString(spinHandle node, char *text, size_t *length) {
  CALL(c);
  to_text(&c, node, text, length);
  return end(&c);
}
SPIN spinNodeToStringEx(spinHandle node, spinBool verify, char *text, size_t *length) {
  CALL(c);
  (void)verify;
  to_text(&c, node, text, length);
  return end(&c);
}
SPIN spinNodeFromString(spinHandle node, const char *text) {
  CALL(c);
  from_text(&c, node, text);
  return end(&c);
}
SPIN spinNodeFromStringEx(spinHandle node, spinBool verify, const char *text) {
  CALL(c);
  (void)verify;
  from_text(&c, node, text);
  return end(&c);
}
