import Foundation
import GraftData
import GraftTensor
import GraftVision
import TestSupport
import Testing

/// IDX, NPY and NPZ files.
@Suite struct ArrayImageTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func message(_ name: String = "") -> String {
    do {
      _ = try ImageDataset.open(folder.path + name)
      return "no error"
    } catch { return "\(error)" }
  }

  private func idx(_ shape: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
    [0, 0, 8, UInt8(shape.count)] + shape.flatMap { [0, 0, 0, $0] } + bytes
  }

  private func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0) } }

  @Test(arguments: [false, true]) func readsIDX(isCompressed: Bool) throws {
    func write(_ name: String, _ bytes: [UInt8]) throws {
      try folder.write(
        name + (isCompressed ? ".gz" : ""), isCompressed ? TarFixture.gzipped(bytes) : bytes)
    }
    try write("train-images-idx3-ubyte", idx([4, 2, 3], bytes(24)))
    try write("train-labels-idx1-ubyte", idx([4], [0, 1, 2, 1]))
    try write("t10k-images-idx3-ubyte", idx([1, 2, 3], bytes(6)))
    try write("t10k-labels-idx1-ubyte", idx([1], [2]))
    let dataset = try ImageDataset.open(folder.path)
    #expect(dataset.classNames == ["0", "1", "2"])
    #expect(dataset.items.map(\.label) == [0, 1, 2, 1] && dataset.testItems.map(\.label) == [2])
    let image = try dataset.items[1].image()
    #expect(image.size.description == "3x2" && image.channelCount == 1)
    #expect(image.samples == [6, 7, 8, 9, 10, 11])
  }

  @Test func labelsMustMatchImages() throws {
    try folder.write("train-images-idx3-ubyte", idx([4, 2, 3], bytes(24)))
    try folder.write("train-labels-idx1-ubyte", idx([3], [0, 1, 2]))
    #expect(message().contains("has 4 images, but 3 labels"))
    try folder.write("train-labels-idx1-ubyte", idx([4], [0, 2, 2, 0]))
    let dataset = try ImageDataset.open(folder.path)
    #expect(dataset.classNames == ["0", "2"] && dataset.items.map(\.label) == [0, 1, 1, 0])
    try folder.write("train-labels-idx1-ubyte", idx([4], [1, 26, 3, 1]))
    #expect(try ImageDataset.open(folder.path).classNames == ["1", "3", "26"])
    #expect(try ImageDataset.open(folder.path).items.map(\.label) == [0, 2, 1, 0])
    try folder.write("train-labels-idx1-ubyte", idx([4], [0, 0, 0, 0]))
    #expect(message().contains("one class only"))
    try folder.write("train-labels-idx1-ubyte", idx([4], [0, 1, 2, 2]))
    try folder.write("t10k-images-idx3-ubyte", idx([1, 2, 3], bytes(6)))
    try folder.write("t10k-labels-idx1-ubyte", idx([1], [7]))
    #expect(message().contains("has the label 7, but there are 3 classes"))
  }

  @Test func emptyImagesAreAnError() throws {
    try folder.write("train-images-idx3-ubyte", idx([4, 0, 3], []))
    try folder.write("train-labels-idx1-ubyte", idx([4], [0, 1, 2, 1]))
    #expect(message().contains("train-images-idx3-ubyte: has empty images of 3x0 pixels"))
    try folder.write("train-images-idx3-ubyte", idx([4, 2, 3], bytes(23)))
    #expect(message().contains("train-images-idx3-ubyte: is truncated"))
  }

  private func tensor(_ shape: Shape) throws -> Tensor {
    try Tensor(bytes(shape.elementCount), shape: shape)
  }

  /// Images of 2x2 pixels: the shape, and the samples of the last one.
  @Test(
    arguments: [
      ([2, 2, 2], [4, 5, 6, 7]), ([2, 2, 2, 1], [4, 5, 6, 7]), ([2, 1, 2, 2], [4, 5, 6, 7]),
      ([2, 2, 2, 3], [12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]),
      ([2, 3, 2, 2], [12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23]),
    ] as [(Shape, [UInt8])])
  func readsNPZ(shape: Shape, samples: [UInt8]) throws {
    let path = folder.path + "/data.npz"
    try NPZFile.write(
      [("x", try tensor(shape)), ("y", try Tensor([0, 1] as [Int64], shape: [2]))], path: path)
    let dataset = try ImageDataset.open(path)
    #expect(try dataset.items[1].image().samples == samples)
    #expect(dataset.items[1].image.place == "\(path): x: image 1")
  }

  @Test func readsPartsOfNPZ() throws {
    let path = folder.path + "/mnist.npz"
    try NPZFile.write(
      [
        ("x_test", try tensor([1, 2, 2])), ("x_train", try tensor([3, 2, 2])),
        ("val_images", try tensor([2, 2, 2])), ("y_test", try Tensor([1] as [UInt8], shape: [1])),
        ("y_train", try Tensor([2, 1, 0] as [UInt8], shape: [3, 1])),
        ("val_labels", try Tensor([1, 1] as [Int32], shape: [2])),
        ("other", try Tensor([1.5] as [Float], shape: [1])),
      ], path: path)
    let dataset = try ImageDataset.open(path)
    #expect(dataset.items.map(\.label) == [2, 1, 0])
    #expect(dataset.validationItems.map(\.label) == [1, 1])
    #expect(dataset.testItems.map(\.label) == [1])
  }

  @Test func readsFoldersOfNPY() throws {
    let labels = try Tensor([0, 1] as [Int64], shape: [2])
    try folder.write("X_train.npy", [UInt8](NPYFile.encode(tensor([2, 2, 2]))))
    try folder.write("y_train.npy", [UInt8](NPYFile.encode(labels)))
    #expect(try ImageDataset.open(folder.path).items.count == 2)
    #expect(try ImageDataset.open(folder.path, format: .arrays).items.count == 2)
  }

  @Test func refusesOtherArrays() throws {
    let path = folder.path + "/data.npz"
    let labels = try Tensor([0, 1] as [Int64], shape: [2])
    func expect(_ images: Tensor, _ labels: Tensor, _ text: String) throws {
      try NPZFile.write([("x", images), ("y", labels)], path: path)
      #expect(message("/data.npz").contains(text))
    }
    try expect(Tensor(zeros: .float, shape: [2, 2, 2]), labels, "Store them as uint8")
    try expect(tensor([2, 2]), labels, "has images of shape [2, 2]")
    try expect(tensor([2, 4, 2, 4]), labels, "has images of shape")
    try expect(tensor([2, 0, 2]), labels, "has empty images")
    try expect(tensor([2, 2, 2]), Tensor([0.0, 1.0] as [Float], shape: [2]), "expected integers")
    try expect(tensor([2, 2, 2]), Tensor([0, -1] as [Int64], shape: [2]), "the label -1")
    try expect(
      tensor([2, 2, 2]), Tensor([0, 1 << 40] as [Int64], shape: [2]), "which is not a class")
    try expect(tensor([2, 2, 2]), tensor([2, 2]), "has labels of shape [2, 2]")
    try NPZFile.write([("x", tensor([2, 2, 2]))], path: path)
    #expect(message("/data.npz").contains("Name them x and y"))
  }
}
