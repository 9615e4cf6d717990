import CGraftShims
import GraftFiles

/// The model that is part of Graft, so that there is an answer without a network and without
/// weights: a ResNet9 trained on CIFAR-10. See `models/cifar10-resnet9.md`.
package enum EmbeddedModel {
  package static let name = "cifar10"
  package static let summary = "ResNet9, 10 classes of CIFAR-10; what infer uses without --model"

  /// The ONNX file.
  package static var file: Storage {
    let file = graft_embedded_cifar10_model()
    let bytes = UnsafeMutableRawBufferPointer(
      mutating: UnsafeRawBufferPointer(start: file.bytes, count: file.byte_count))
    return .borrowed(bytes, isWritable: false, owner: Program())
  }

  /// The program's own constants live as long as it does.
  private final class Program: Sendable {}

  package static var byteCount: Int { graft_embedded_cifar10_model().byte_count }
}
