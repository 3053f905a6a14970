// The host's side of the stream: buffers, their order, and the library's thread that fills them as frames come over the link.
// A frame takes its buffer when its transfer begins and is handed out when it has arrived: filling adds nothing to the latency.
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fake.h"

enum { OLDEST_FIRST, OLDEST_FIRST_OVERWRITE, NEWEST_ONLY, NEWEST_FIRST };
#define POISON 0xDD

int64_t stream_cpu_ns;

static int mode_of(const Camera *camera) { return (int)camera->stream[S_StreamBufferHandlingMode].at[0].i; }

static int64_t cpu_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static bool map_buffer(Buffer *buffer, size_t size) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const size_t used = (size + page - 1) / page * page;
  memset(buffer, 0, sizeof *buffer);
  // A page nobody may touch on either side; the data end at the upper one, but for alignment to 16.
  uint8_t *all = mmap(NULL, used + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED) return false;
  mprotect(all, page, PROT_NONE);
  mprotect(all + page + used, page, PROT_NONE);
  buffer->mapping = all;
  buffer->mapped = used + 2 * page;
  buffer->size = size;
  buffer->data = all + page + used - (size + 15) / 16 * 16;
  return true;
}

static void protect(const Buffer *buffer, int how) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  mprotect(buffer->mapping + page, buffer->mapped - 2 * page, how);
}

static void free_buffers(Camera *camera) {
  for (int i = 0; i < camera->buffer_count; i++) munmap(camera->buffers[i].mapping, camera->buffers[i].mapped);
  free(camera->buffers);
  camera->buffers = NULL;
  camera->buffer_count = camera->ready = 0;
}

// Ends what the image of a buffer was; its bytes are no picture any more.
void stream_release(Buffer *buffer) {
  buffer->state = BUFFER_FREE;
  buffer->handle = NULL;
  if (g.set.release == RELEASE_POISON && !g.set.stamp_only) memset(buffer->data, POISON, buffer->size);
  buffer->shut = g.set.release == RELEASE_PROTECT;
  if (buffer->shut) protect(buffer, PROT_NONE);
  changed();
}

static int drop_ready(Camera *camera, int place) {
  const int index = camera->order[place];
  memmove(camera->order + place, camera->order + place + 1, (size_t)(camera->ready - place - 1) * sizeof camera->order[0]);
  camera->ready--;
  camera->counts.dropped++;
  log_line("\"dropped\":%llu", (unsigned long long)camera->buffers[index].id);
  camera->buffers[index].state = BUFFER_FREE;
  return index;
}

static int free_buffer(Camera *camera) {
  // In turn, as they go round: what was released last is used again last.
  for (int n = 0; n < camera->buffer_count; n++) {
    const int i = (camera->next_buffer + n) % camera->buffer_count;
    if (camera->buffers[i].state != BUFFER_FREE) continue;
    camera->next_buffer = i + 1;
    return i;
  }
  const int mode = mode_of(camera);
  return (mode == OLDEST_FIRST_OVERWRITE || mode == NEWEST_ONLY) && camera->ready > 0 ? drop_ready(camera, 0) : -1;
}

// What the image will say of itself.
static void describe(Buffer *buffer, const Inflight *frame, const Device *device) {
  const NodeState *s = device->nodes;
  const char *fault = frame->fault.name;
  buffer->frame = *frame;
  buffer->id = frame->id;
  buffer->status = SPIN_IMAGE_OK;
  buffer->format = (int)s[D_PixelFormat].at[0].i;
  buffer->width = (size_t)s[D_Width].at[0].i;
  buffer->height = (size_t)s[D_Height].at[0].i;
  buffer->offset_x = (size_t)s[D_OffsetX].at[0].i;
  buffer->offset_y = (size_t)s[D_OffsetY].at[0].i;
  if (strcmp(fault, "wrong-size") == 0) {
    if (frame->fault.value > 0 && frame->fault.value < (double)buffer->width) buffer->width = (size_t)frame->fault.value;
    else buffer->width /= 2;
    if (frame->fault.value2 > 0 && frame->fault.value2 < (double)buffer->height) buffer->height = (size_t)frame->fault.value2;
    else buffer->height /= 2;
  }
  if (strcmp(fault, "zero-size") == 0) buffer->width = buffer->height = 0;
  if (strcmp(fault, "wrong-format") == 0) buffer->format = bits_of(buffer->format) == 8 && buffer->format != 0 ? 0 : 1;
  buffer->stride = buffer->width == 0 ? 0 : buffer->width * (size_t)bits_of(buffer->format) / 8 + (size_t)g.set.stride_padding;
  buffer->payload = buffer->valid = buffer->stride * buffer->height;
  if (strcmp(fault, "short") == 0) buffer->payload = buffer->valid = buffer->stride * (buffer->height / 2);
  if (strcmp(fault, "incomplete") == 0) {
    buffer->status = frame->fault.value >= 0 ? (int)frame->fault.value : SPIN_IMAGE_DATA_INCOMPLETE;
    buffer->valid = buffer->stride * (buffer->height / 2);
  }
  if (strcmp(fault, "crc") == 0 && device->camera->stream[S_StreamCRCCheckEnable].at[0].i) buffer->status = SPIN_IMAGE_CRC_FAILED;
  buffer->chunks = s[D_ChunkModeActive].at[0].i && strcmp(fault, "chunk-missing") != 0;
  buffer->chunk_mask = 1;
  for (int i = 1; i < MAX_SLOTS; i++) buffer->chunk_mask |= (uint32_t)(s[D_ChunkEnable].at[i].i != 0) << i;
}

// Returns with the lock held; it is let go while the picture is written.
static void begin_transfer(Camera *camera, Inflight *frame) {
  Device *device = camera->device;
  camera->counts.started++;
  frame->buffer = strcmp(frame->fault.name, "lost") == 0 ? -1 : free_buffer(camera);
  if (frame->buffer < 0) {
    frame->buffer = -2;
    return;
  }
  Buffer *buffer = &camera->buffers[frame->buffer];
  buffer->state = BUFFER_FILLING;
  describe(buffer, frame, device);
  const bool frozen = strcmp(frame->fault.name, "frozen") == 0;
  const int64_t serial = frozen ? device->shown : frame->serial;
  const View view = view_of(device);
  const bool stamp_only = g.set.stamp_only && buffer->prepared;
  const bool shut = buffer->shut;
  buffer->shut = false;
  // Whatever else is wrong with it, it has been a picture of its own.
  static const char *const whole[] = {"", "gap", "duplicate", "slow", "chunk-missing", "crc"};
  for (int i = 0; i < COUNT_OF(whole); i++) {
    if (strcmp(frame->fault.name, whole[i]) == 0) device->shown = serial;
  }
  pthread_mutex_unlock(&g.lock);
  if (shut) protect(buffer, PROT_READ | PROT_WRITE);
  if (stamp_only) picture_stamp(buffer, serial);
  else picture_fill(&view, buffer, serial);
  pthread_mutex_lock(&g.lock);
  buffer->prepared = buffer->frame.fault.name[0] == 0;
}

static void arrive(Camera *camera, const Inflight *frame) {
  char name[440];
  if (frame->buffer == -2) {
    camera->counts.lost++;
    log_line("\"lost\":%llu,\"exposure\":%lld", (unsigned long long)frame->id, (long long)frame->serial);
    return;
  }
  Buffer *buffer = &camera->buffers[frame->buffer];
  buffer->state = BUFFER_READY;
  if (mode_of(camera) == NEWEST_ONLY) {
    while (camera->ready > 0) drop_ready(camera, 0);
  }
  camera->order[camera->ready++] = frame->buffer;
  if (buffer->status != SPIN_IMAGE_OK) camera->counts.incomplete++;
  log_line("\"frame\":%llu,\"exposure\":%lld,\"status\":%d,\"fault\":\"%s\",\"picture\":%s", (unsigned long long)frame->id, (long long)frame->serial,
           buffer->status, frame->fault.name, quoted(picture_name(frame->serial), name, sizeof name));
  changed();
}

static bool free_running(const Device *device) { return device->nodes[D_TriggerMode].at[1].i == 0; }

// When the camera exposes by itself next, FOREVER: not.
static int64_t next_exposure(const Camera *camera, int64_t now) {
  Device *device = camera->device;
  if (!free_running(device) || device->frames_left == 0 || g.set.silent) {
    device->next_start = now;  // from where it goes on once it may again
    return FOREVER;
  }
  // Two seconds behind, this machine will not catch up.
  if ((double)(now - device->next_start) / g.set.scale > 2e9) device->next_start = now;
  return device->next_start;
}

// What is due next, in the order of time: exposure, begin of a transfer, arrival. Returns when to look again, 0: at once.
static int64_t stream_step(Camera *camera, int64_t now) {
  Device *device = camera->device;
  if (camera->cut) {
    camera->flying = 0;
    return FOREVER;
  }
  int filling = 0;
  while (filling < camera->flying && camera->inflight[filling].buffer != -1) filling++;
  const int64_t exposure = next_exposure(camera, now);
  const int64_t transfer = filling < camera->flying ? camera->inflight[filling].transfer : FOREVER;
  const int64_t arrival = filling > 0 ? camera->inflight[0].arrival : FOREVER;
  const int64_t first = exposure < transfer ? (exposure < arrival ? exposure : arrival) : (transfer < arrival ? transfer : arrival);
  if (first > now) return first;
  if (first == arrival) {
    const Inflight frame = camera->inflight[0];
    camera->flying--;
    memmove(camera->inflight, camera->inflight + 1, (size_t)camera->flying * sizeof frame);
    arrive(camera, &frame);
  } else if (first == transfer) {
    begin_transfer(camera, &camera->inflight[filling]);
  } else {
    device->next_start += frame_period(device);
    expose(device, exposure);  // refused while the camera's memory is full
  }
  return 0;
}

static void *stream_thread(void *argument) {
  Camera *camera = argument;
  pthread_mutex_lock(&g.lock);
  const int64_t cpu_before = stream_cpu_ns;
  while (!camera->stop) {
    stream_cpu_ns = cpu_before + cpu_now();
    const int64_t again = stream_step(camera, fake_now());
    if (again > 0) {
      wait_fake(again);
      continue;
    }
    // A thread that is behind its time never waits: let the caller in between two steps all the same.
    pthread_mutex_unlock(&g.lock);
    sched_yield();
    pthread_mutex_lock(&g.lock);
  }
  pthread_mutex_unlock(&g.lock);
  return NULL;
}

bool stream_begin(Call *call, Camera *camera) {
  Device *device = camera->device;
  const int64_t payload = payload_of(device);
  const int count = (int)camera->stream[S_StreamBufferCountManual].at[0].i;
  if (g.set.usbfs_mb > 0 && (double)(count + 2) * (double)payload > g.set.usbfs_mb * 1048576) {
    tell_log(SPIN_LOG_ERROR, "Could not submit transfer for payload - I/O error. Try increasing usbfs_memory_mb, coherent_pool or swiotlb sizes.");
    fail(call, SPIN_IO, "Could not start acquisition. Please try reconnecting the device.");
    return false;
  }
  camera->buffers = calloc((size_t)count, sizeof *camera->buffers);
  for (int i = 0; camera->buffers != NULL && i < count && map_buffer(&camera->buffers[i], (size_t)payload); i++) camera->buffer_count = i + 1;
  if (camera->buffer_count < count) {
    free_buffers(camera);
    fail(call, SPIN_OUT_OF_MEMORY, "Out of memory");
    return false;
  }
  picture_prepare();
  const int64_t mode = device->nodes[D_AcquisitionMode].at[0].i;
  const int64_t now = fake_now();
  device->frames_left = mode == 0 ? -1 : mode == 1 ? 1 : device->nodes[D_AcquisitionFrameCount].at[0].i;
  device->next_id = 0;
  device->next_start = now;
  device->exp_start = device->exp_end = device->readout_end = device->transfer_end = now;
  camera->counts = (StreamCounts){0};
  camera->flying = camera->ready = camera->next_buffer = 0;
  camera->stop = false;
  camera->streaming = true;
  if (pthread_create(&camera->thread, NULL, stream_thread, camera) != 0) {
    camera->streaming = false;
    free_buffers(camera);
    fail(call, SPIN_RESOURCE_EXHAUSTED, "No thread for the stream");
    return false;
  }
  return true;
}

// Returns how many images the caller still held; they end here.
int stream_end(Camera *camera) {
  // A hung call wakes while the process ends: a thread is joined once.
  while (camera->streaming && camera->ending) wait_change();
  if (!camera->streaming) return 0;
  camera->ending = camera->stop = true;
  changed();
  pthread_mutex_unlock(&g.lock);
  pthread_join(camera->thread, NULL);
  pthread_mutex_lock(&g.lock);
  int held = 0;
  for (int i = 0; i < camera->buffer_count; i++) {
    if (camera->buffers[i].state != BUFFER_HELD) continue;
    held++;
    handle_free(camera->buffers[i].handle);
  }
  free_buffers(camera);
  camera->flying = 0;
  camera->streaming = camera->ending = false;
  changed();
  return held;
}

Buffer *stream_take(Camera *camera) {
  if (camera->ready == 0) return NULL;
  const int place = mode_of(camera) == NEWEST_FIRST ? camera->ready - 1 : 0;
  Buffer *buffer = &camera->buffers[camera->order[place]];
  memmove(camera->order + place, camera->order + place + 1, (size_t)(camera->ready - place - 1) * sizeof camera->order[0]);
  camera->ready--;
  buffer->state = BUFFER_HELD;
  camera->counts.delivered++;
  return buffer;
}
