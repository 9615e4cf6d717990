#ifndef GRAFT_CURL_H
#define GRAFT_CURL_H

#include <stddef.h>
#include <stdint.h>

// One HTTP transfer through libcurl, whose variadic option functions Swift cannot call.

typedef struct {
  const char *address;
  /// More request headers, `Name: value`.
  const char *const *headers;
  size_t header_count;
  /// The transfer fails after this many seconds without a byte.
  long stall_seconds;
  long connect_seconds;
  /// Called with each line of the headers of every response, including redirects. A result other
  /// than 0 stops the transfer.
  int32_t (*on_header)(void *context, const char *line, size_t byte_count);
  /// Called with each piece of the body of the last response. A result other than 0 stops the
  /// transfer.
  int32_t (*on_data)(void *context, long status, const void *bytes, size_t byte_count);
  void *context;
} graft_curl_request;

enum {
  GRAFT_CURL_OK = 0,
  /// A callback stopped the transfer.
  GRAFT_CURL_STOPPED = 1,
  /// No connection, or a lost or stalled one: trying again may help.
  GRAFT_CURL_INTERRUPTED = 2,
  /// Any other failure; trying again does not help.
  GRAFT_CURL_FAILED = 3,
};

typedef struct {
  int32_t outcome;
  /// The status of the last response; 0 if there was none.
  long http_status;
  char message[256];
} graft_curl_result;

/// Must be called once, before any other thread uses libcurl; 0 on success.
int32_t graft_curl_initialize(void);

/// Performs a GET request over http or https; redirects from https may only lead to https.
graft_curl_result graft_curl_get(const graft_curl_request *request);

#endif
