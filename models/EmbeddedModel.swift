import CGraftShims
import GraftFiles

/// The built-in model, which needs no network and no weight file: a ResNet9 trained on CIFAR-10.
/// See `models/cifar10-resnet9.md`.
package enum EmbeddedModel {
  package static let name = "cifar10"
  package static let summary = "ResNet9, 10 classes of CIFAR-10; the default model of infer"

  /// The ONNX file.
  package static var file: Storage {
    let file = graft_embedded_cifar10_model()
    let bytes = UnsafeMutableRawBufferPointer(
      mutating: UnsafeRawBufferPointer(start: file.bytes, count: file.byte_count))
    return .borrowed(bytes, isWritable: false, owner: Program())
  }

  /// The program's constants live as long as the program.
  private final class Program: Sendable {}

  package static var byteCount: Int { graft_embedded_cifar10_model().byte_count }
}
