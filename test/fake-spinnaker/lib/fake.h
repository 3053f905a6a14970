// Inside of the fake camera library. One lock guards everything below; it is let go only while waiting (on `changed`), while a
// picture is filled into a buffer, and while a callback of the caller runs.
#pragma once

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "spinnaker.h"

#define MAX_DEVICES 4
#define MAX_LISTED 16
#define MAX_BUFFERS 1000
#define MAX_INFLIGHT 64
#define MAX_SLOTS 16  // most values of one selector (ChunkSelector, 15)
#define COUNT_OF(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define PRINTF(at, from) __attribute__((format(printf, at, from)))

// ------------------------------------------------------------------------------------------------ nodes
typedef struct {
  const char *name;
  int type;             // SPIN_NODE_*
  int access;           // SPIN_ACCESS_RO, RW or WO where nothing narrows it
  bool locked;          // read only while streaming
  int selector;         // node of the same map that chooses the value, -1: one value
  const char *const *entries;  // of an enumeration, by ordinal, NULL ends
  double init, min, max, inc;  // inc of a float: its step in the camera, 0: any value
  const char *text;     // unit of a float, start value of a string
} NodeSpec;

typedef union {
  int64_t i;  // integer, boolean, ordinal of an enumeration
  double f;
} Value;

typedef struct {
  Value at[MAX_SLOTS];
  char text[64];
} NodeState;

typedef struct {
  double min, max, inc;
} Limits;

typedef struct Call Call;
typedef struct Map Map;
// What one node map adds to its table; a NULL member adds nothing.
typedef struct {
  const char *name;
  const NodeSpec *specs;
  int count;
  int (*access)(Map *, int id);                     // given the static access; streaming locks are applied already
  void (*limits)(Map *, int id, Limits *);
  bool (*value)(Map *, int id, int slot, Value *);  // computed at reading; false: the stored one
  const char *(*text)(Map *, int id, char *space, size_t size);
  bool (*offers)(Map *, int id, int ordinal);       // enumeration entry available now
  void (*written)(Map *, int id);
  void (*execute)(Call *, Map *, int id);
} MapClass;

struct Map {
  const MapClass *kind;
  NodeState *states;
  struct Device *device;  // NULL: the system's map
  struct Camera *camera;
  spinHandle handle;
};

enum {
#define NODE(name, ...) D_##name,
#include "device_nodes.def"
#undef NODE
  D_COUNT
};
enum {
#define NODE(name, ...) S_##name,
#include "stream_nodes.def"
#undef NODE
  S_COUNT
};
extern const MapClass device_map, stream_map, tl_device_map, system_map;

int slot_of(const Map *map, int id);
int access_of(Map *map, int id);
void limits_of(Map *map, int id, Limits *limits);
Value value_of(Map *map, int id);
bool offers(Map *map, int id, int ordinal);
int64_t entry_integer(const Map *map, int id, int ordinal);
int find_node(const MapClass *kind, const char *name);
void reset_states(const MapClass *kind, NodeState *states);

// ------------------------------------------------------------------------------------------------ frames
typedef struct Fault {
  char name[24];  // "" : none
  int64_t count;  // frames still to spoil, -1: all
  int64_t at;     // from this exposure on (of the device, from 0)
  double value, value2;  // -1: not given
} Fault;

typedef struct {
  int64_t start, exposed, transfer, arrival;  // ns, clock of the fake
  uint64_t id;       // FrameID
  int64_t serial;    // exposures of the device before this one
  uint64_t camera_ns;
  double exposure_us, gain, black;
  int64_t lines;     // LineStatusAll at the end of exposure
  Fault fault;
  int buffer;        // -1: not yet, -2: no free one, the frame is lost
} Inflight;

typedef enum { BUFFER_FREE, BUFFER_FILLING, BUFFER_READY, BUFFER_HELD } BufferState;
typedef struct {
  uint8_t *mapping;
  size_t mapped;
  uint8_t *data;
  size_t size;
  BufferState state;
  bool prepared;  // `fill = stamp`: the picture stands in it
  bool shut;      // `release = protect`: nobody may read it
  // the image it holds
  Inflight frame;
  int status;
  uint64_t id;
  size_t width, height, stride, payload, valid, offset_x, offset_y;
  int format;  // ordinal of PixelFormat
  bool chunks;
  uint32_t chunk_mask;
  spinHandle handle;
} Buffer;

typedef struct {
  int64_t started, delivered, incomplete, lost, dropped;
} StreamCounts;

// One camera on the bus. Stays over unplugging; what it holds without power (user sets) too.
typedef struct Device {
  char serial[32];
  bool listed;    // known to the fake at all
  bool present;   // cable plugged
  bool detected;  // the system has found it on the bus
  bool seen;      // as the caller was told at the last update
  int64_t power_up;
  NodeState nodes[D_COUNT];
  NodeState sets[3][D_COUNT];
  int64_t busy_until;   // a command is being done
  int64_t latched;      // TimestampLatchValue
  int64_t exposures;    // since the fake started
  int64_t edges, ignored;  // trigger inputs seen, and those while it could not expose
  int64_t counter[2];
  int64_t last_edge[4];
  int64_t exp_start, exp_end, readout_end, transfer_end;  // of the last exposure
  int64_t next_start;   // free run
  int64_t frames_left;  // SingleFrame, MultiFrame; -1: no end
  uint64_t next_id;
  int auto_frames;      // exposures since an auto function was set to Once
  int64_t line_levels;  // outputs last told of, bit n = Line n
  int64_t shown;        // exposure whose picture was filled last
  struct Camera *camera;
} Device;

// What the library made of a device at one enumeration. Ends when nothing refers to it.
typedef struct Camera {
  Device *device;
  int refs;      // lists, handles, the device itself
  int handles;   // given out and not released
  bool valid, cut;  // known to the library, cable pulled since
  bool initialized, streaming, ending;
  int timeouts_left;  // GetNextImage calls that only time out once the cable is pulled
  int lock_file;
  NodeState stream[S_COUNT];
  Map maps[3];   // device, TL device, TL stream
  StreamCounts counts;
  Buffer *buffers;
  int buffer_count, next_buffer;
  int order[MAX_BUFFERS], ready;  // output queue
  Inflight inflight[MAX_INFLIGHT];
  int flying;
  pthread_t thread;
  bool stop;
  int64_t thread_cpu_ns;
} Camera;

typedef struct {
  Camera *cameras[MAX_LISTED];
  int count;
} List;

typedef struct Handler {
  bool interface, arrives, removes, logs;
  spinDeviceCallback arrival, removal;
  spinLogCallback log;
  void *user;
  bool registered;
  bool running;
} Handler;

typedef struct {
  int priority;
  char text[200];
} LogData;

// ------------------------------------------------------------------------------------------------ library
typedef enum { K_NONE, K_SYSTEM, K_LIST, K_CAMERA, K_MAP, K_NODE, K_ENTRY, K_IMAGE, K_HANDLER, K_LOGDATA, K_COUNT } Kind;

typedef struct {
  Kind kind;
  uint32_t generation;
  void *object;    // List, Camera, Map, Buffer, Handler, LogData; of a node its Map
  Camera *camera;  // whose it is, if any
  int id, ordinal;
  bool unavailable;  // a node fetched while it was: typed so for good
  uint32_t label;
} Slot;

struct Call {
  const char *name;
  int rc;
  bool gone;  // a scripted failure answered
  int64_t began;
  char on[32];
  char what[120];
};

typedef enum { THREADS_ONE, THREADS_SERIAL, THREADS_ANY } ThreadRule;
typedef enum { RELEASE_POISON, RELEASE_PROTECT, RELEASE_KEEP } ReleaseRule;

typedef struct {
  double scale;
  int64_t sensor_width, sensor_height, stride_padding;
  double row_us, max_link, usbfs_mb, temperature, clock_ppm;
  int64_t init_ms, begin_ms, removal_ms, arrival_ms, reset_ms, command_ms, unplug_timeouts, link_errors;
  bool require_cti, stamp, stamp_only, usb2, busy, silent, node_leaks, abort_on_violation, stamp_start, real_stamps;
  ThreadRule threads;
  ReleaseRule release;
  unsigned version[4];
  char model[64], firmware[32], frames[512], lock[256];
} Settings;

typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  Settings set;
  Device devices[MAX_DEVICES];
  int instances;
  spinHandle system;
  Map system_map_object;
  NodeState system_states[8];
  int8_t access[D_COUNT];  // scripted access of the camera's features, plus one; 0: none
  int owner;   // thread that calls, as `threads` wants it
  int inside;  // thread in a call, 0: none
  int level;   // logging
  int64_t calls;
  bool overwrite_error;
  int live[K_COUNT];
  bool closing;
} Fake;
extern Fake g;

// core.c
bool begin(Call *call, const char *name);
int end(Call *call);
void fail(Call *call, int code, const char *format, ...) PRINTF(3, 4);
void note(Call *call, const char *format, ...) PRINTF(2, 3);
bool out(Call *call, const void *pointer);
void put_text(Call *call, char *buffer, size_t *length, const char *text);
void violation(const char *kind, const char *format, ...) PRINTF(2, 3);
int violations_json(char *space, size_t size);
int violation_count(void);
void clear_violations(void);
int thread_number(void);
void ensure_started(void);
#define CALL(c) \
  Call c;       \
  if (!begin(&c, __func__)) return end(&c)

// clock.c: ns. Waiting lets the lock go and comes back at the time or earlier, whenever anything changed.
int64_t real_now(void);
int64_t fake_now(void);
int64_t real_of(int64_t fake);
void set_scale(double scale);
void wait_fake(int64_t until);
void wait_real(int64_t until);
void wait_change(void);
void sleep_fake(int64_t ns);
void changed(void);
#define MS INT64_C(1000000)
#define FOREVER INT64_MAX

// handles.c
spinHandle handle_new(Kind kind, void *object, Camera *camera);
Slot *slot_get(Call *call, spinHandle handle, Kind kind, const char *expected);
Kind kind_of(spinHandle handle);
void *object_get(Call *call, spinHandle handle, Kind kind);
void handle_free(spinHandle handle);
int free_nodes_of(const Camera *camera, bool tl_device_too);
int handles_clear(void);
void handles_free(void);

// log.c
void log_open(const char *path);
void log_close(void);
bool log_on(void);
void log_call(const Call *call);
void log_line(const char *format, ...) PRINTF(1, 2);
const char *quoted(const char *text, char *space, size_t size);

// world.c: what happens to the devices by itself, in a library thread: cable, delayed commands, edges on the trigger inputs
bool world_start(void);
void world_stop(void);
void world_clear(void);
bool later(int64_t when, const char *command);
bool at_exposure(int64_t exposure, const char *command);
void exposure_made(int64_t exposure);
bool edges(Device *device, int line, double period_ms, double jitter_ms, int64_t count, int bounces, double bounce_us);
void edges_stop(void);
void unplug(Device *device);
void replug(Device *device, const char *serial);
void power_up(Device *device, bool factory);
void replug_after(Device *device, int64_t ms);

// events.c: calls back, in the same thread
typedef enum { EVENT_ARRIVAL, EVENT_REMOVAL, EVENT_LOG } EventKind;
bool run_event(void);
void event(EventKind kind, const char *serial, Camera *camera);
void events_clear(void);
int handlers_registered(void);
void tell_log(int priority, const char *format, ...) PRINTF(2, 3);

// api_node.c
Slot *node_get(Call *call, spinHandle handle);
bool reach(Call *call, const Map *map);

// camera.c
void camera_unref(Camera *camera);
Camera *camera_of(Device *device);
bool camera_lost(Call *call, const Camera *camera);
Camera *camera_get(Call *call, spinHandle handle);
void cameras_clear(void);

// sensor.c
int64_t payload_of(const Device *device);
double link_of(const Device *device);
double fastest_rate(const Device *device);
int64_t frame_period(const Device *device);
bool trigger_ready(const Device *device, int64_t at);
bool expose(Device *device, int64_t at);
uint64_t camera_clock(const Device *device, int64_t at);
void trigger_input(Device *device, int line, int64_t at);
bool software_trigger(Device *device, int64_t at);
int64_t lines_of(const Device *device);
void lines_changed(Device *device);
int bits_of(int format);
#define FIRST_BAYER 1  // ordinals of PixelFormat in the node: Mono8, BayerRG8, BayerGR8, BayerGB8, BayerBG8, ...
extern const char *const format_names[];
extern const uint32_t format_codes[];
extern const int format_ordinals[];

// stream.c
bool stream_begin(Call *call, Camera *camera);
int stream_end(Camera *camera);
void stream_release(Buffer *buffer);
Buffer *stream_take(Camera *camera);
extern int64_t stream_cpu_ns;  // spent in the library's stream threads: filling, not the caller's work

// picture.c
bool pictures_load(const char *folder, char *why, size_t size);
void pictures_clear(void);
void picture_prepare(void);  // what takes time, before the stream runs
// Geometry under which a picture is read from the sensor, taken while the lock is held.
typedef struct {
  int64_t bin_x, bin_y;
  bool mirror_x, mirror_y;
  bool stamp;
} View;
View view_of(const Device *device);
void picture_fill(const View *view, Buffer *buffer, int64_t serial);
void picture_stamp(Buffer *buffer, int64_t serial);
const char *picture_name(int64_t serial);

// script.c, settings.c, status.c, faults.c, control.c
#define WORDS 16
const char *start_up(void);
extern char start_up_error[300];
bool run_command(const char *line, char *reply, size_t size);
bool run_script(const char *path, char *why, size_t size);
Device *device_named(const char *serial);
const char *option(char *const *words, int count, const char *key, const char *absent);
bool number_option(char *const *words, int count, const char *key, double absent, double *value);
bool setting(const char *key, const char *value, char *why, size_t size);
void settings_default(void);
bool switched_on(const char *word, bool *value);
void status_json(char *space, size_t size);
bool fault_command(char *const *words, int count, char *why, size_t size);
bool call_command(char *const *words, int count, char *why, size_t size);
void unhang(void);
Fault next_fault(int64_t exposure);
bool call_rule(Call *call);
void faults_clear(void);
bool control_open(const char *path, char *why, size_t size);
void control_close(void);
