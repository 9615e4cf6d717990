import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// No kernel reads an input as another type than it has: each input of each example is replaced by
/// a smaller one of another element type, which operators take or refuse. With AddressSanitizer a
/// kernel that reads on is found.
@Suite struct OtherElementTypeTests {
  /// From one byte to eight.
  private static let elementTypes: [ElementType] = [.uint8, .float16, .float, .double]

  @Test(arguments: ExampleTests.types)
  func inputsOfOtherTypesAreTakenOrRefused(_ name: OperatorName) throws {
    for example in name.type.tensorExamples {
      for position in example.inputs.indices {
        guard let given = example.inputs[position] else { continue }
        for elementType in Self.elementTypes where elementType != given.elementType {
          var inputs = example.inputs
          inputs[position] = try Tensor(zeros: elementType, shape: given.shape)
          let node = Node(
            operatorType: name.type.schema.name, domain: name.type.schema.domain,
            inputs: inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) },
            outputs: example.outputs.indices.map { ValueID(100 + $0) },
            attributes: example.attributes)
          do {
            _ = try evaluate(
              OperatorCatalog.make(node), inputs: inputs.map { $0.map { .tensor($0) } },
              wantedOutputs: example.outputs.map { $0 != nil })
          } catch let error as GraftError {
            #expect(
              error.code != .software,
              "\(example.name), input \(position) as \(elementType): \(error)")
          }
        }
      }
    }
  }

  /// Values of every other kind in the place of each input.
  @Test(arguments: ExampleTests.types)
  func inputsOfOtherKindsAreTakenOrRefused(_ name: OperatorName) throws {
    for example in name.type.examples {
      for position in example.inputValues.indices where example.inputValues[position] != nil {
        for other in try Self.others(for: example.inputValues[position]) {
          var (inputs, types) = (example.inputValues, example.inputTypes)
          inputs[position] = other
          types[position] = nil
          let node = Node(
            operatorType: name.type.schema.name, domain: name.type.schema.domain,
            inputs: inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) },
            outputs: example.outputValues.indices.map { ValueID(100 + $0) },
            attributes: example.attributes)
          do {
            _ = try evaluate(
              OperatorCatalog.make(node), inputs: inputs, inputTypes: types,
              wantedOutputs: example.outputValues.map { $0 != nil })
          } catch let error as GraftError {
            #expect(
              error.code != .software,
              "\(example.name), input \(position) as \(other.staticType): \(error)")
          }
        }
      }
    }
  }

  private static func others(for value: RuntimeValue?) throws -> [RuntimeValue] {
    let tensors: [RuntimeValue] = [
      .tensor(try Tensor([1.5, 2] as [Double], shape: [2])), .tensor(try Tensor(scalar: Int64(0))),
      .tensor(try Tensor(strings: ["a"], shape: [1])),
    ]
    let given = value.map { [$0] } ?? []
    return (tensors + given).flatMap { element -> [RuntimeValue] in
      [
        element, .sequence([element]), .sequence([element, element]), .optional(element),
        .sequence([.sequence([element])]), .optional(.sequence([element])),
      ]
    } + [.sequence([]), .optional(nil), .sequence(tensors)]
  }

  /// Kernels of floats alone, which passes and training put in.
  @Test func operatorsOfTheBlockedLayoutTakeFloatsAlone() throws {
    for type in OperatorCatalog.operators where type.schema.name.hasPrefix("Blocked") {
      for example in type.examples {
        for position in example.inputs.indices {
          guard let given = example.inputs[position], given.elementType == .float else { continue }
          var inputs = example.inputs
          inputs[position] = try Tensor(zeros: .uint8, shape: given.shape)
          let node = Node(
            operatorType: type.schema.name, domain: type.schema.domain,
            inputs: inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) },
            outputs: example.outputs.indices.map { ValueID(100 + $0) },
            attributes: example.attributes)
          expectError(.badData, or: .unavailable, when: "\(type.schema.name), input \(position)") {
            _ = try evaluate(
              OperatorCatalog.make(node), inputs: inputs.map { $0.map { .tensor($0) } },
              wantedOutputs: example.outputs.map { $0 != nil })
          }
        }
      }
    }
  }
}
