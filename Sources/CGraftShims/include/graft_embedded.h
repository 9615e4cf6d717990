#ifndef GRAFT_EMBEDDED_H
#define GRAFT_EMBEDDED_H

#include <stddef.h>

// Small files of models/, within the binary so that it can be moved.

extern const char graft_models_manifest[];
extern const size_t graft_models_manifest_byte_count;

/// The names of ImageNet's 1,000 classes, one a line.
extern const char graft_imagenet_labels[];
extern const size_t graft_imagenet_labels_byte_count;

#endif
