// What the sensor sees: raw BayerRG8 files of its full size, shown in turn, or a pattern. Each frame carries its exposure's number in the
// lowest bits of its first 64 pixels, so that two frames are never the same by chance and a test can tell which one it holds.
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake.h"

typedef struct {
  char name[200];
  const uint8_t *data;
  size_t size;
} Picture;

static Picture *pictures;
static int picture_count;
static uint8_t *pattern;
static int64_t pattern_width, pattern_height;

void pictures_clear(void) {
  for (int i = 0; i < picture_count; i++) munmap((void *)(uintptr_t)pictures[i].data, pictures[i].size);
  free(pictures);
  free(pattern);
  pictures = NULL;
  pattern = NULL;
  picture_count = 0;
}

static int by_name(const void *a, const void *b) { return strcmp(((const Picture *)a)->name, ((const Picture *)b)->name); }

// NAME_WIDTHxHEIGHT_BayerRG8.raw
static bool geometry(const char *name, int64_t *width, int64_t *height) {
  const char *end = strstr(name, "_BayerRG8.raw");
  if (end == NULL || end[13] != 0) return false;
  const char *start = end;
  while (start > name && start[-1] != '_') start--;
  char rest = 0;
  int w = 0, h = 0;
  if (sscanf(start, "%6dx%6d%c", &w, &h, &rest) != 3 || rest != '_' || w < 64 || h < 64) return false;
  *width = w;
  *height = h;
  return true;
}

bool pictures_load(const char *folder, char *why, size_t size) {
  DIR *directory = opendir(folder);
  if (directory == NULL) {
    snprintf(why, size, "frames: the folder %.200s cannot be read", folder);
    return false;
  }
  pictures_clear();
  struct dirent *entry;
  bool good = true;
  while (good && (entry = readdir(directory)) != NULL) {
    int64_t width, height;
    if (!geometry(entry->d_name, &width, &height)) continue;
    const int file = openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC);
    struct stat about;
    good = file >= 0 && fstat(file, &about) == 0 && about.st_size == width * height;
    if (good && picture_count > 0 && (width != g.set.sensor_width || height != g.set.sensor_height)) good = false;
    void *data = good ? mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
    if (file >= 0) close(file);
    Picture *grown = data == MAP_FAILED ? NULL : realloc(pictures, (size_t)(picture_count + 1) * sizeof *pictures);
    if (grown == NULL) {
      snprintf(why, size, "frames: %.200s is not width x height bytes, or another size than the files before it", entry->d_name);
      good = false;
      break;
    }
    pictures = grown;
    snprintf(pictures[picture_count].name, sizeof pictures->name, "%.199s", entry->d_name);
    pictures[picture_count].data = data;
    pictures[picture_count++].size = (size_t)about.st_size;
    g.set.sensor_width = width;
    g.set.sensor_height = height;
  }
  closedir(directory);
  if (good && picture_count == 0) {
    snprintf(why, size, "frames: no NAME_WIDTHxHEIGHT_BayerRG8.raw in %.200s", folder);
    good = false;
  }
  if (picture_count > 0) qsort(pictures, (size_t)picture_count, sizeof *pictures, by_name);
  return good;
}

const char *picture_name(int64_t serial) { return picture_count > 0 ? pictures[serial % picture_count].name : "pattern"; }

// Slopes with a grid on them, each colour its own level.
static const uint8_t *pattern_data(void) {
  if (pattern != NULL && pattern_width == g.set.sensor_width && pattern_height == g.set.sensor_height) return pattern;
  free(pattern);
  pattern_width = g.set.sensor_width;
  pattern_height = g.set.sensor_height;
  pattern = malloc((size_t)(pattern_width * pattern_height));
  if (pattern == NULL) abort();
  for (int64_t y = 0; y < pattern_height; y++) {
    for (int64_t x = 0; x < pattern_width; x++) {
      const int64_t level = 60 + x * 80 / pattern_width + y * 40 / pattern_height + ((x >> 6 ^ y >> 6) & 1) * 20;
      pattern[y * pattern_width + x] = (uint8_t)(level + (y & 1) * 16 - (x & 1) * 12);
    }
  }
  return pattern;
}

void picture_prepare(void) {
  if (picture_count == 0) pattern_data();
}

View view_of(const Device *device) {
  const NodeState *s = device->nodes;
  return (View){s[D_BinningHorizontal].at[0].i, s[D_BinningVertical].at[0].i, s[D_ReverseX].at[0].i, s[D_ReverseY].at[0].i, g.set.stamp};
}

// Sensor pixel behind (x, y) of the region: binning keeps whole colour quads.
static uint8_t sample(const View *view, const uint8_t *data, int64_t x, int64_t y) {
  int64_t sx = (x / 2) * 2 * view->bin_x + (x & 1);
  int64_t sy = (y / 2) * 2 * view->bin_y + (y & 1);
  if (sx >= g.set.sensor_width) sx = g.set.sensor_width - 2 + (x & 1);
  if (sy >= g.set.sensor_height) sy = g.set.sensor_height - 2 + (y & 1);
  if (view->mirror_x) sx = g.set.sensor_width - 1 - sx;
  if (view->mirror_y) sy = g.set.sensor_height - 1 - sy;
  return data[sy * g.set.sensor_width + sx];
}

static void fill_row(const View *view, const Buffer *buffer, const uint8_t *data, int64_t row, uint8_t *to) {
  const int64_t y = (int64_t)buffer->offset_y + row;
  const int64_t left = (int64_t)buffer->offset_x;
  const int64_t width = (int64_t)buffer->width;
  const int bits = bits_of(buffer->format);
  if (bits == 8) {
    if (view->bin_x == 1 && view->bin_y == 1 && !view->mirror_x && !view->mirror_y) {
      memcpy(to, data + y * g.set.sensor_width + left, buffer->width);
    } else {
      for (int64_t x = 0; x < width; x++) to[x] = sample(view, data, left + x, y);
    }
  } else if (bits == 16) {
    for (int64_t x = 0; x < width; x++) to[2 * x] = to[2 * x + 1] = sample(view, data, left + x, y);
  } else if (bits == 12) {
    for (int64_t x = 0; x + 1 < width; x += 2) {
      const unsigned a = sample(view, data, left + x, y) * 16u, b = sample(view, data, left + x + 1, y) * 16u;
      to[x / 2 * 3] = (uint8_t)a;
      to[x / 2 * 3 + 1] = (uint8_t)(a >> 8 | (b & 15) << 4);
      to[x / 2 * 3 + 2] = (uint8_t)(b >> 4);
    }
  } else {
    for (int64_t x = 0; x < width; x++) {
      const int64_t qx = (left + x) & ~INT64_C(1), qy = y & ~INT64_C(1);
      to[3 * x] = sample(view, data, qx, qy);
      to[3 * x + 1] = sample(view, data, qx + 1, qy);
      to[3 * x + 2] = sample(view, data, qx + 1, qy + 1);
    }
  }
}

void picture_stamp(Buffer *buffer, int64_t serial) {
  if (bits_of(buffer->format) != 8 || buffer->width < 64 || buffer->valid < 64) return;
  const uint64_t bits = (uint64_t)(uint32_t)serial | (uint64_t)(uint32_t)~serial << 32;
  for (int i = 0; i < 64; i++) buffer->data[i] = (uint8_t)((buffer->data[i] & 0xFE) | (bits >> i & 1));
}

// Rows that have arrived; of the rest the buffer keeps what was in it.
void picture_fill(const View *view, Buffer *buffer, int64_t serial) {
  const uint8_t *data = picture_count > 0 ? pictures[serial % picture_count].data : pattern_data();
  const size_t stride = buffer->stride;
  const int64_t rows = stride == 0 ? 0 : (int64_t)(buffer->valid / stride);
  const size_t line = stride - (stride == 0 ? 0 : (size_t)g.set.stride_padding);
  for (int64_t row = 0; row < rows; row++) {
    uint8_t *to = buffer->data + (size_t)row * stride;
    fill_row(view, buffer, data, row, to);
    memset(to + line, 0xEE, stride - line);
  }
  // The pattern moves: a dark bar that goes down as the exposures go on.
  if (picture_count == 0 && rows > 16) {
    const int64_t top = serial * 8 % (rows - 8);
    for (int64_t row = top; row < top + 8; row++) memset(buffer->data + (size_t)row * stride, 20, line);
  }
  if (view->stamp && rows > 0) picture_stamp(buffer, serial);
}
