#include "graft_embedded.h"

// #embed is newer than C11; clang accepts it in all language modes.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const char manifest[] = {
#embed "../../models/manifest.json"
};

graft_embedded_file graft_embedded_manifest(void) {
  return (graft_embedded_file){manifest, sizeof manifest};
}

static const char imagenet_labels[] = {
#embed "../../models/imagenet-labels.txt"
};

graft_embedded_file graft_embedded_imagenet_labels(void) {
  return (graft_embedded_file){imagenet_labels, sizeof imagenet_labels};
}

static const char imagenet_wordnet_ids[] = {
#embed "../../models/imagenet-wordnet-ids.txt"
};

graft_embedded_file graft_embedded_imagenet_wordnet_ids(void) {
  return (graft_embedded_file){imagenet_wordnet_ids, sizeof imagenet_wordnet_ids};
}

static const char cifar10_model[] __attribute__((aligned(64))) = {
#embed "../../models/cifar10-resnet9.onnx"
};

graft_embedded_file graft_embedded_cifar10_model(void) {
  return (graft_embedded_file){cifar10_model, sizeof cifar10_model};
}
