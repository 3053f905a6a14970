// The C ABI of the camera library as this project uses it: names, numbers and argument types are facts, the text is ours.
// Every handle is a void pointer, every function returns a 32 bit code, 0 is success. Sizes are size_t, booleans one byte.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef int spinError;
typedef uint8_t spinBool;
typedef void *spinHandle;
typedef struct {
  unsigned major, minor, type, build;
} spinVersion;
typedef void (*spinDeviceCallback)(spinHandle camera, void *user);  // arrival and removal, from version 3 on
typedef void (*spinLogCallback)(spinHandle data, void *user);

enum {
  SPIN_OK = 0,
  SPIN_ERROR = -1001,
  SPIN_NOT_INITIALIZED = -1002,
  SPIN_NOT_IMPLEMENTED = -1003,
  SPIN_RESOURCE_IN_USE = -1004,
  SPIN_ACCESS_DENIED = -1005,
  SPIN_INVALID_HANDLE = -1006,
  SPIN_INVALID_PARAMETER = -1009,
  SPIN_IO = -1010,
  SPIN_TIMEOUT = -1011,
  SPIN_ABORT = -1012,
  SPIN_BUFFER_TOO_SMALL = -1016,
  SPIN_INVALID_INDEX = -1017,
  SPIN_RESOURCE_EXHAUSTED = -1020,
  SPIN_OUT_OF_MEMORY = -1021,
  SPIN_BUSY = -1022,
  SPIN_GENICAM_INVALID_ARGUMENT = -2001,
  SPIN_GENICAM_OUT_OF_RANGE = -2002,
  SPIN_GENICAM_ACCESS = -2006,
};

enum { SPIN_NODE_INTEGER = 2, SPIN_NODE_BOOLEAN, SPIN_NODE_FLOAT, SPIN_NODE_COMMAND, SPIN_NODE_STRING, SPIN_NODE_ENUMERATION = 8, SPIN_NODE_ENTRY };
enum { SPIN_ACCESS_NI, SPIN_ACCESS_NA, SPIN_ACCESS_WO, SPIN_ACCESS_RO, SPIN_ACCESS_RW };
enum { SPIN_IMAGE_OK = 0, SPIN_IMAGE_CRC_FAILED = 1, SPIN_IMAGE_MISSING_PACKETS = 3, SPIN_IMAGE_DATA_INCOMPLETE = 9 };
enum { SPIN_LOG_ERROR = 300, SPIN_LOG_WARN = 400, SPIN_LOG_INFO = 600 };

#define SPIN __attribute__((visibility("default"))) spinError

SPIN spinErrorGetLast(int *code);
SPIN spinErrorGetLastMessage(char *text, size_t *length);
SPIN spinErrorGetLastFullMessage(char *text, size_t *length);
SPIN spinErrorGetLastFileName(char *text, size_t *length);
SPIN spinErrorGetLastFunctionName(char *text, size_t *length);
SPIN spinErrorGetLastLineNumber(int64_t *line);

SPIN spinSystemGetInstance(spinHandle *system);
SPIN spinSystemReleaseInstance(spinHandle system);
SPIN spinSystemIsInUse(spinHandle system, spinBool *in_use);
SPIN spinSystemGetLibraryVersion(spinHandle system, spinVersion *version);
SPIN spinSystemGetTLNodeMap(spinHandle system, spinHandle *map);
SPIN spinSystemGetCameras(spinHandle system, spinHandle list);
SPIN spinSystemGetCamerasEx(spinHandle system, spinBool interfaces, spinBool cameras, spinHandle list);
SPIN spinSystemUpdateCameras(spinHandle system, spinBool *changed);
SPIN spinSystemUpdateCamerasEx(spinHandle system, spinBool interfaces, spinBool *changed);
SPIN spinSystemSetLoggingLevel(spinHandle system, int level);
SPIN spinSystemGetLoggingLevel(spinHandle system, int *level);
SPIN spinSystemRegisterLogEventHandler(spinHandle system, spinHandle handler);
SPIN spinSystemUnregisterLogEventHandler(spinHandle system, spinHandle handler);
SPIN spinSystemUnregisterAllLogEventHandlers(spinHandle system);
SPIN spinSystemRegisterInterfaceEventHandler(spinHandle system, spinHandle handler);
SPIN spinSystemUnregisterInterfaceEventHandler(spinHandle system, spinHandle handler);
SPIN spinSystemRegisterDeviceArrivalEventHandler(spinHandle system, spinHandle handler);
SPIN spinSystemUnregisterDeviceArrivalEventHandler(spinHandle system, spinHandle handler);
SPIN spinSystemRegisterDeviceRemovalEventHandler(spinHandle system, spinHandle handler);
SPIN spinSystemUnregisterDeviceRemovalEventHandler(spinHandle system, spinHandle handler);

SPIN spinInterfaceEventHandlerCreate(spinHandle *handler, spinDeviceCallback arrival, spinDeviceCallback removal, void *user);
SPIN spinInterfaceEventHandlerDestroy(spinHandle handler);
SPIN spinDeviceArrivalEventHandlerCreate(spinHandle *handler, spinDeviceCallback arrival, void *user);
SPIN spinDeviceArrivalEventHandlerDestroy(spinHandle handler);
SPIN spinDeviceRemovalEventHandlerCreate(spinHandle *handler, spinDeviceCallback removal, void *user);
SPIN spinDeviceRemovalEventHandlerDestroy(spinHandle handler);
SPIN spinLogEventHandlerCreate(spinHandle *handler, spinLogCallback log, void *user);
SPIN spinLogEventHandlerDestroy(spinHandle handler);
SPIN spinLogDataGetCategoryName(spinHandle data, char *text, size_t *length);
SPIN spinLogDataGetPriority(spinHandle data, int64_t *priority);
SPIN spinLogDataGetPriorityName(spinHandle data, char *text, size_t *length);
SPIN spinLogDataGetLogMessage(spinHandle data, char *text, size_t *length);
SPIN spinLogDataGetTimestamp(spinHandle data, char *text, size_t *length);

SPIN spinCameraListCreateEmpty(spinHandle *list);
SPIN spinCameraListDestroy(spinHandle list);
SPIN spinCameraListClear(spinHandle list);
SPIN spinCameraListGetSize(spinHandle list, size_t *size);
SPIN spinCameraListGet(spinHandle list, size_t index, spinHandle *camera);
SPIN spinCameraListGetBySerial(spinHandle list, const char *serial, spinHandle *camera);

SPIN spinCameraInit(spinHandle camera);
SPIN spinCameraDeInit(spinHandle camera);
SPIN spinCameraRelease(spinHandle camera);
SPIN spinCameraIsValid(spinHandle camera, spinBool *valid);
SPIN spinCameraIsInitialized(spinHandle camera, spinBool *initialized);
SPIN spinCameraIsStreaming(spinHandle camera, spinBool *streaming);
SPIN spinCameraGetAccessMode(spinHandle camera, int *mode);
SPIN spinCameraGetUniqueID(spinHandle camera, char *text, size_t *length);
SPIN spinCameraGetDeviceID(spinHandle camera, char *text, size_t *length);
SPIN spinCameraGetDeviceSerialNumber(spinHandle camera, char *text, size_t *length);
SPIN spinCameraGetNodeMap(spinHandle camera, spinHandle *map);
SPIN spinCameraGetTLDeviceNodeMap(spinHandle camera, spinHandle *map);
SPIN spinCameraGetTLStreamNodeMap(spinHandle camera, spinHandle *map);
SPIN spinCameraBeginAcquisition(spinHandle camera);
SPIN spinCameraEndAcquisition(spinHandle camera);
SPIN spinCameraGetNextImage(spinHandle camera, spinHandle *image);
SPIN spinCameraGetNextImageEx(spinHandle camera, uint64_t timeout_ms, spinHandle *image);

SPIN spinNodeMapGetNode(spinHandle map, const char *name, spinHandle *node);
SPIN spinNodeMapReleaseNode(spinHandle map, spinHandle node);
SPIN spinNodeMapGetNumNodes(spinHandle map, size_t *count);
SPIN spinNodeMapGetNodeByIndex(spinHandle map, size_t index, spinHandle *node);
SPIN spinNodeMapPoll(spinHandle map, int64_t elapsed_ms);
SPIN spinNodeIsImplemented(spinHandle node, spinBool *yes);
SPIN spinNodeIsAvailable(spinHandle node, spinBool *yes);
SPIN spinNodeIsReadable(spinHandle node, spinBool *yes);
SPIN spinNodeIsWritable(spinHandle node, spinBool *yes);
SPIN spinNodeGetAccessMode(spinHandle node, int *mode);
SPIN spinNodeGetType(spinHandle node, int *type);
SPIN spinNodeGetName(spinHandle node, char *text, size_t *length);
SPIN spinNodeGetDisplayName(spinHandle node, char *text, size_t *length);
SPIN spinNodeGetVisibility(spinHandle node, int *visibility);
SPIN spinNodeInvalidateNode(spinHandle node);
SPIN spinNodeToString(spinHandle node, char *text, size_t *length);
SPIN spinNodeToStringEx(spinHandle node, spinBool verify, char *text, size_t *length);
SPIN spinNodeFromString(spinHandle node, const char *text);
SPIN spinNodeFromStringEx(spinHandle node, spinBool verify, const char *text);

SPIN spinIntegerGetValue(spinHandle node, int64_t *value);
SPIN spinIntegerSetValue(spinHandle node, int64_t value);
SPIN spinIntegerGetMin(spinHandle node, int64_t *value);
SPIN spinIntegerGetMax(spinHandle node, int64_t *value);
SPIN spinIntegerGetInc(spinHandle node, int64_t *value);
SPIN spinFloatGetValue(spinHandle node, double *value);
SPIN spinFloatSetValue(spinHandle node, double value);
SPIN spinFloatGetMin(spinHandle node, double *value);
SPIN spinFloatGetMax(spinHandle node, double *value);
SPIN spinFloatGetUnit(spinHandle node, char *text, size_t *length);
SPIN spinBooleanGetValue(spinHandle node, spinBool *value);
SPIN spinBooleanSetValue(spinHandle node, spinBool value);
SPIN spinStringGetValue(spinHandle node, char *text, size_t *length);
SPIN spinStringSetValue(spinHandle node, const char *text);
SPIN spinStringGetMaxLength(spinHandle node, int64_t *length);
SPIN spinCommandExecute(spinHandle node);
SPIN spinCommandIsDone(spinHandle node, spinBool *done);
SPIN spinEnumerationGetNumEntries(spinHandle node, size_t *count);
SPIN spinEnumerationGetEntryByIndex(spinHandle node, size_t index, spinHandle *entry);
SPIN spinEnumerationGetEntryByName(spinHandle node, const char *name, spinHandle *entry);
SPIN spinEnumerationGetCurrentEntry(spinHandle node, spinHandle *entry);
SPIN spinEnumerationReleaseNode(spinHandle node, spinHandle entry);
SPIN spinEnumerationSetIntValue(spinHandle node, int64_t value);
SPIN spinEnumerationSetEnumValue(spinHandle node, size_t ordinal);
SPIN spinEnumerationEntryGetIntValue(spinHandle entry, int64_t *value);
SPIN spinEnumerationEntryGetEnumValue(spinHandle entry, size_t *ordinal);
SPIN spinEnumerationEntryGetSymbolic(spinHandle entry, char *text, size_t *length);

SPIN spinImageIsIncomplete(spinHandle image, spinBool *incomplete);
SPIN spinImageGetStatus(spinHandle image, int *status);
SPIN spinImageGetStatusDescription(int status, char *text, size_t *length);
SPIN spinImageGetWidth(spinHandle image, size_t *value);
SPIN spinImageGetHeight(spinHandle image, size_t *value);
SPIN spinImageGetStride(spinHandle image, size_t *value);
SPIN spinImageGetOffsetX(spinHandle image, size_t *value);
SPIN spinImageGetOffsetY(spinHandle image, size_t *value);
SPIN spinImageGetPaddingX(spinHandle image, size_t *value);
SPIN spinImageGetPaddingY(spinHandle image, size_t *value);
SPIN spinImageGetBitsPerPixel(spinHandle image, size_t *value);
SPIN spinImageGetBufferSize(spinHandle image, size_t *value);
SPIN spinImageGetSize(spinHandle image, size_t *value);
SPIN spinImageGetValidPayloadSize(spinHandle image, size_t *value);
SPIN spinImageGetPixelFormat(spinHandle image, int *format);
SPIN spinImageGetPixelFormatName(spinHandle image, char *text, size_t *length);
SPIN spinImageGetTLPixelFormat(spinHandle image, uint64_t *format);
SPIN spinImageGetData(spinHandle image, void **data);
SPIN spinImageGetFrameID(spinHandle image, uint64_t *id);
SPIN spinImageGetID(spinHandle image, uint64_t *id);
SPIN spinImageGetTimeStamp(spinHandle image, uint64_t *ns);
SPIN spinImageHasCRC(spinHandle image, spinBool *has);
SPIN spinImageCheckCRC(spinHandle image, spinBool *good);
SPIN spinImageChunkDataGetIntValue(spinHandle image, const char *name, int64_t *value);
SPIN spinImageChunkDataGetFloatValue(spinHandle image, const char *name, double *value);
SPIN spinImageRelease(spinHandle image);

// Not of the camera library: one line of the control language (README.md). Needs no instance; may be called from any thread.
SPIN fakeSpinCommand(const char *line, char *reply, size_t *length);
