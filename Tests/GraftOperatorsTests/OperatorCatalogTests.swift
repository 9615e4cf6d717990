import Foundation
import GraftExecution
import GraftGraph
import GraftOperators
import GraftTensor
import Testing

/// Everything that is derived from the operators' files is what they say.
@Suite struct OperatorCatalogTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private static func swiftFiles(in folder: String) throws -> [(path: String, text: String)] {
    let paths = try FileManager.default.subpathsOfDirectory(
      atPath: root.appending(path: folder).path)
    return try paths.filter { $0.hasSuffix(".swift") && !$0.contains("Generated/") }.sorted().map {
      let path = "\(folder)/\($0)"
      return (path, try String(contentsOf: root.appending(path: path), encoding: .utf8))
    }
  }

  /// Names of operators' types, by folder; `Blocked<…>` for a blocked form.
  private static func declaredTypes() throws -> [String: [String]] {
    var types: [String: [String]] = [:]
    for (path, text) in try swiftFiles(in: "Sources/GraftOperators") {
      var name = ""
      for line in text.split(separator: "\n") {
        if let declaration = line.firstMatch(
          of: /^(?:package )?(?:struct|enum|extension) (\w+)/)
        {
          name = String(declaration.1)
        } else if let schema = line.firstMatch(
          of: /static let (schema|blockedSchema) = OperatorSchema\(/)
        {
          types[String(path.split(separator: "/")[2]), default: []].append(
            schema.1 == "schema" ? name : "Blocked<\(name)>")
        }
      }
    }
    return types
  }

  @Test func catalogListsEachFolder() throws {
    let catalog = Self.root.appending(path: "Sources/GraftOperators/OperatorCatalog.swift")
    var lists: [String: [String]] = [:]
    var list = ""
    for line in try String(contentsOf: catalog, encoding: .utf8).split(separator: "\n") {
      if let head = line.firstMatch(of: /static let (\w+): \[any Operator\.Type\] = \[/) {
        list = String(head.1)
      } else if let entry = line.firstMatch(of: /^    ([\w<>]+)\.self,/) {
        lists[list, default: []].append(String(entry.1))
      }
    }
    for (folder, types) in try Self.declaredTypes() {
      let list = folder.prefix(1).lowercased() + folder.dropFirst()
      #expect(
        lists[list] == types.sorted(),
        "the list '\(list)' in OperatorCatalog.swift is not what the folder \(folder) holds"
      )
      lists[list] = nil
    }
    #expect(lists.isEmpty, "no folder holds \(lists.keys.sorted())")
    #expect(OperatorCatalog.operators.count == (try Self.declaredTypes().values.joined().count))
  }

  /// The operators whose conformance cases must pass; README shows the list.
  @Test func listOfSupportedOperatorsIsThatOfTheCatalog() throws {
    let names = OperatorCatalog.operators.map { $0.schema }
      .filter { OperatorDomain.standard.contains($0.domain) }.map(\.qualifiedName)
    let expected =
      "# The operators of ONNX that Graft supports: cases that use only these must pass.\n"
      + names.sorted().map { "\($0)\n" }.joined()
    let file = Self.root.appending(path: "tools/conformance-lists/operators.txt")
    if ProcessInfo.processInfo.environment["GRAFT_UPDATE_LISTS"] != nil {
      try expected.write(to: file, atomically: true, encoding: .utf8)
    }
    #expect(
      try String(contentsOf: file, encoding: .utf8) == expected,
      "to write \(file.path) again: GRAFT_UPDATE_LISTS=1 swift test --filter OperatorCatalogTests")
  }

  // MARK: - Names

  /// Functions whose first argument is the type of a new node, or the name of an example.
  private static let constructors: Set = [
    "add", "addAfter", "addBefore", "addHeadNode", "addNode", "addOptimizerStep", "apply",
    "OperatorExample",
  ]

  /// Who else knows an operator by a name in quotes is not told by the compiler when it is wrong.
  @Test func operatorsAreNamedInTheirFilesOnly() throws {
    var files: [String: String] = [:]
    for (path, text) in try Self.swiftFiles(in: "Sources/GraftOperators") {
      for schema in text.matches(of: /let (?:s|blockedS)chema = OperatorSchema\(\s*"(\w+)"/) {
        files[String(schema.1)] = path
      }
    }
    #expect(Set(files.keys) == Set(OperatorCatalog.operators.map { $0.schema.name }))
    for folder in ["Sources", "converters", "models"] {
      for (path, text) in try Self.swiftFiles(in: folder) {
        // The operations of RandAugment have names of their own.
        guard !path.hasSuffix("Augmentation/ImageOperation.swift") else { continue }
        for literal in text.matches(of: /"(\w+)"/) {
          guard let own = files[String(literal.1)], own != path else { continue }
          let before = text[..<literal.range.lowerBound]
          let line = text.split(separator: "\n", omittingEmptySubsequences: false)[
            before.count { $0 == "\n" }]
          guard !line.drop(while: { $0 == " " }).hasPrefix("//") else { continue }
          #expect(
            Self.isTypeOfNewNode(after: before),
            "\(path) names '\(literal.1)': match the type, or write its schema.name: \(line)"
          )
        }
      }
    }
  }

  /// Whether `operatorType:` comes next, or the first argument of a function that makes nodes.
  private static func isTypeOfNewNode(after text: Substring) -> Bool {
    if text.suffix(40).firstMatch(of: /operatorType:\s*$/) != nil { return true }
    var depth = 0
    var rest = text
    while let character = rest.popLast() {
      switch character {
      case ")", "]", "}": depth += 1
      case "," where depth == 0: return false
      case "(" where depth == 0:
        let name = rest.reversed().prefix { $0.isLetter || $0.isNumber || $0 == "_" }.reversed()
        return constructors.contains(String(name))
      case "(", "[", "{":
        guard depth > 0 else { return false }
        depth -= 1
      default: break
      }
    }
    return false
  }

  // MARK: - Elementwise

  /// What an operator makes of all elements of its inputs together, and of each place alone.
  ///
  /// - Returns: `nil` if the operator does not take such inputs, or needs attributes
  private func results(
    of type: any Operator.Type, _ inputs: [Tensor]
  ) throws -> (whole: Tensor, alone: [Tensor])? {
    let node = Node(
      operatorType: type.schema.name, domain: type.schema.domain,
      inputs: inputs.indices.map { ValueID($0) }, outputs: [ValueID(9)])
    guard let operation = try? OperatorCatalog.make(node) else { return nil }
    func output(_ inputs: [Tensor]) throws -> Tensor? {
      try evaluate(operation, inputs: inputs.map { .tensor($0) }, wantedOutputs: [true])[0]?.tensor
    }
    guard let whole = try? output(inputs), whole.shape == inputs[0].shape else { return nil }
    let alone = (0..<whole.elementCount).map { index in
      try? output(inputs.map { try $0.element(at: index) })
    }
    let present = alone.compactMap { $0 }
    return present.count == alone.count ? (whole, present) : nil
  }

  /// One or two inputs of each of several types; at some places both have the same element.
  private static func inputs(_ count: Int) throws -> [[Tensor]] {
    let floats: [[Float]] = [[0.3, -0.7, 0.9, 0.25, -0.4, 0.6], [0.3, 0.9, 0.9, -0.4, 0.25, 0.6]]
    let integers: [[Int64]] = [[5, 9, 7, 6, 8, 4], [5, 8, 7, 9, 6, 4]]
    let truths = [
      [true, false, true, true, false, false], [true, true, false, true, false, false],
    ]
    return [
      try floats.prefix(count).map { try Tensor($0, shape: [1, 2, 3]) },
      try integers.prefix(count).map { try Tensor($0, shape: [1, 2, 3]) },
      try truths.prefix(count).map { try Tensor($0, shape: [1, 2, 3]) },
    ]
  }

  /// Operators of one or two inputs say that they are elementwise exactly if they are.
  @Test(arguments: OperatorCatalog.operators.map { OperatorName(type: $0) })
  func operandsAreThoseOfElementwiseOperators(_ name: OperatorName) throws {
    let type = name.type
    // These pass an input on.
    let passing = [
      "Dropout", "Identity", "OptionalGetElement", "Scaler", "Split", "SumToShape",
      "TensorScatter",
    ]
    // Removed ones never come as far as passes.
    guard !passing.contains(type.schema.name), type.schema.domain != OperatorDomain.removed
    else { return }
    for count in 1...2 where type.schema.inputs.contains(count) {
      for inputs in try Self.inputs(count) {
        guard let (whole, alone) = try results(of: type, inputs) else { continue }
        let elements = alone.map(\.elementBytes)
        // Of equal elements nobody knows where they come from.
        guard Set(elements).count > 1 else { continue }
        let isElementwise = whole.elementBytes == elements.flatMap { $0 }
        #expect(
          isElementwise == (type.operandCount > 0), "\(inputs[0].elementType), \(count) inputs")
      }
    }
  }
}

/// Operators that say how floats can stand in for float16 give the same numbers with them.
@Suite struct WideningTests {
  private static let types = OperatorCatalog.operators.filter { $0.widening != .isUnknown }

  @Test(arguments: types.map { OperatorName(type: $0) })
  func floatsStandInForNarrowTypes(_ name: OperatorName) throws {
    for example in name.type.tensorExamples {
      let narrow = try example.inputs.map { tensor in
        try tensor?.elementType == .float ? tensor?.converted(to: .float16) : tensor
      }
      // Some operators and some inputs take no float16.
      guard let expected = try? outputs(of: name.type, example, narrow) else { continue }
      let wide = try narrow.map { tensor in
        try tensor?.elementType == .float16 ? tensor?.converted(to: .float) : tensor
      }
      let results = try outputs(of: name.type, example, wide)
      try #require(results.count == expected.count)
      for case (let result?, let expected?) in zip(results, expected) {
        guard expected.elementType == .float16 else {
          #expect(try largestDifference(result, expected) == 0, "\(example.name)")
          continue
        }
        let rounded = try result.converted(to: .float16)
        #expect(try largestDifference(rounded, expected) == 0, "\(example.name)")
        guard name.type.widening == .isExact else { continue }
        let again = try rounded.converted(to: .float)
        #expect(try largestDifference(again, result) == 0, "\(example.name)")
      }
    }
  }

  private func outputs(
    of type: any Operator.Type, _ example: OperatorExample, _ inputs: [Tensor?]
  ) throws -> [Tensor?] {
    let operation = try OperatorCatalog.make(
      Node(
        operatorType: type.schema.name, domain: type.schema.domain,
        inputs: inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) },
        outputs: example.outputs.indices.map { ValueID(100 + $0) },
        attributes: example.attributes))
    return try evaluate(
      operation, inputs: inputs.map { $0.map { .tensor($0) } },
      wantedOutputs: example.outputs.map { $0 != nil }
    ).map { try $0?.tensor }
  }
}

extension Tensor {
  fileprivate var elementBytes: [UInt8] { withUnsafeBytes { Array($0) } }

  /// One element, of as many axes.
  fileprivate func element(at index: Int) throws -> Tensor {
    let one = try Tensor(zeros: elementType, shape: shape.map { _ in 1 })
    let width = elementType.byteWidth
    one.withUnsafeMutableBytes { target in
      withUnsafeBytes { target.copyBytes(from: $0[index * width..<(index + 1) * width]) }
    }
    return one
  }
}
