#ifndef GRAFT_EMBEDDED_H
#define GRAFT_EMBEDDED_H

#include <stddef.h>

// Small files of models/, embedded so that the binary can be moved.

typedef struct {
  const char *bytes;
  size_t byte_count;
} graft_embedded_file;

graft_embedded_file graft_embedded_manifest(void);

/// The names of ImageNet's 1,000 classes, one per line.
graft_embedded_file graft_embedded_imagenet_labels(void);

/// WordNet's IDs of these classes, one per line: `n01440764`, …
graft_embedded_file graft_embedded_imagenet_wordnet_ids(void);

/// An ONNX model, aligned to 64 bytes.
graft_embedded_file graft_embedded_cifar10_model(void);

#endif
