// Images: one buffer of the stream each, until given back.
#include <string.h>

#include "fake.h"

#define ASKED(name, type, expression)                           \
  SPIN name(spinHandle image, type *value) {                    \
    CALL(c);                                                    \
    const Buffer *buffer = object_get(&c, image, K_IMAGE);      \
    if (buffer != NULL && out(&c, value)) *value = expression;  \
    return end(&c);                                             \
  }
ASKED(spinImageIsIncomplete, spinBool, buffer->status != SPIN_IMAGE_OK)
ASKED(spinImageGetStatus, int, buffer->status)
ASKED(spinImageGetWidth, size_t, buffer->width)
ASKED(spinImageGetHeight, size_t, buffer->height)
ASKED(spinImageGetStride, size_t, buffer->stride)
ASKED(spinImageGetOffsetX, size_t, buffer->offset_x)
ASKED(spinImageGetOffsetY, size_t, buffer->offset_y)
ASKED(spinImageGetPaddingX, size_t, (size_t)g.set.stride_padding)
ASKED(spinImageGetPaddingY, size_t, 0)
ASKED(spinImageGetBitsPerPixel, size_t, (size_t)bits_of(buffer->format))
ASKED(spinImageGetBufferSize, size_t, strcmp(buffer->frame.fault.name, "short") == 0 ? buffer->payload : buffer->size)
ASKED(spinImageGetSize, size_t, buffer->payload)
ASKED(spinImageGetValidPayloadSize, size_t, buffer->valid)
ASKED(spinImageGetPixelFormat, int, format_ordinals[buffer->format])
ASKED(spinImageGetTLPixelFormat, uint64_t, format_codes[buffer->format])
ASKED(spinImageGetData, void *, buffer->data)
ASKED(spinImageGetFrameID, uint64_t, buffer->id)
ASKED(spinImageGetID, uint64_t, buffer->id)
ASKED(spinImageGetTimeStamp, uint64_t, buffer->frame.camera_ns)
ASKED(spinImageHasCRC, spinBool, buffer->chunks && (buffer->chunk_mask >> 1 & 1))

SPIN spinImageCheckCRC(spinHandle image, spinBool *good) {
  CALL(c);
  const Buffer *buffer = object_get(&c, image, K_IMAGE);
  if (buffer != NULL && out(&c, good)) {
    if (!buffer->chunks || (buffer->chunk_mask >> 1 & 1) == 0) fail(&c, SPIN_ERROR, "Image does not contain chunk data.");
    else *good = strcmp(buffer->frame.fault.name, "crc") != 0;
  }
  return end(&c);
}

SPIN spinImageGetPixelFormatName(spinHandle image, char *text, size_t *length) {
  CALL(c);
  const Buffer *buffer = object_get(&c, image, K_IMAGE);
  if (buffer != NULL) put_text(&c, text, length, format_names[buffer->format]);
  return end(&c);
}

SPIN spinImageGetStatusDescription(int status, char *text, size_t *length) {
  CALL(c);
  static const char *const words[] = {"Unknown error",    "No error",         "CRC check failed", "Data overflow",
                                      "Missing packets",  "Leader size",      "Trailer size",     "Packet id",
                                      "Missing leader",   "Missing trailer",  "Data incomplete",  "Info inconsistent",
                                      "Chunk data wrong", "No system resources"};
  if (status < -1 || status + 1 >= COUNT_OF(words)) fail(&c, SPIN_INVALID_PARAMETER, "No such image status: %d", status);
  else put_text(&c, text, length, words[status + 1]);
  return end(&c);
}

// Ordinal of ChunkSelector under which a chunk is switched on.
static const struct {
  const char *name;
  int selector;
  bool real;
} chunks[] = {
    {"ChunkCRC", 1, false},           {"ChunkFrameID", 2, false},   {"ChunkOffsetX", 3, false},
    {"ChunkOffsetY", 4, false},       {"ChunkWidth", 5, false},     {"ChunkHeight", 6, false},
    {"ChunkExposureTime", 7, true},   {"ChunkGain", 8, true},       {"ChunkBlackLevel", 9, true},
    {"ChunkTimestamp", 11, false},    {"ChunkSequencerSetActive", 12, false},
    {"ChunkExposureEndLineStatusAll", 14, false},
};

static bool has_chunk(Call *call, const Buffer *buffer, const char *name, bool real, int *selector) {
  for (int i = 0; i < COUNT_OF(chunks); i++) {
    if (strcmp(chunks[i].name, name) != 0 || chunks[i].real != real) continue;
    *selector = chunks[i].selector;
    if (buffer->chunks && (buffer->chunk_mask >> *selector & 1)) return true;
  }
  fail(call, SPIN_ERROR, "Image does not contain chunk data.");
  return false;
}

SPIN spinImageChunkDataGetIntValue(spinHandle image, const char *name, int64_t *value) {
  CALL(c);
  const Buffer *buffer = object_get(&c, image, K_IMAGE);
  int selector;
  if (buffer == NULL || !out(&c, name) || !out(&c, value) || !has_chunk(&c, buffer, name, false, &selector)) return end(&c);
  switch (selector) {
    case 1: *value = 0x1D0F; break;
    case 2: *value = (int64_t)buffer->id; break;
    case 3: *value = (int64_t)buffer->offset_x; break;
    case 4: *value = (int64_t)buffer->offset_y; break;
    case 5: *value = (int64_t)buffer->width; break;
    case 6: *value = (int64_t)buffer->height; break;
    case 11: *value = (int64_t)buffer->frame.camera_ns; break;
    case 14: *value = buffer->frame.lines; break;
    default: *value = 0; break;
  }
  return end(&c);
}

SPIN spinImageChunkDataGetFloatValue(spinHandle image, const char *name, double *value) {
  CALL(c);
  const Buffer *buffer = object_get(&c, image, K_IMAGE);
  int selector;
  if (buffer != NULL && out(&c, name) && out(&c, value) && has_chunk(&c, buffer, name, true, &selector)) {
    *value = selector == 7 ? buffer->frame.exposure_us : selector == 8 ? buffer->frame.gain : buffer->frame.black;
  }
  return end(&c);
}

SPIN spinImageRelease(spinHandle image) {
  CALL(c);
  Buffer *buffer = object_get(&c, image, K_IMAGE);
  if (buffer != NULL) {
    handle_free(image);
    stream_release(buffer);
  }
  return end(&c);
}
