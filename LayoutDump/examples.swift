import GraftExecution
import GraftGraph
import GraftOperators
import GraftTensor

func examples() {
  for type in OperatorCatalog.operators
  where type.schema.domain == "graft" || ["LRN", "GlobalAveragePool", "BatchNormalization"].contains(type.schema.name) {
    print(type.schema.name, type.schema.inputs, type.schema.outputs, type.flushesSubnormals, type.acceptsUnalignedInputs, type.examples.map(\.name))
    for example in type.examples {
      do {
        let node = Node(
          operatorType: type.schema.name, domain: type.schema.domain,
          inputs: example.inputs.indices.map { example.inputs[$0] == nil ? nil : ValueID($0) },
          outputs: example.outputs.indices.map { ValueID(100 + $0) }, attributes: example.attributes)
        for isConstant in [false, true] {
          let outputs = try evaluate(
            OperatorCatalog.make(node), inputs: example.inputs.map { $0.map { .tensor($0) } },
            wantedOutputs: example.outputs.map { $0 != nil }, treatInputsAsConstant: isConstant)
          for (o, e) in zip(outputs, example.outputs) {
            guard let e, let o = try o?.tensor else { continue }
            guard e.elementType == .float else { continue }
            let a = try o.floats(), b = try e.floats()
            let worst = zip(a, b).map { $0 == $1 || $0.isNaN && $1.isNaN ? 0 : abs($0 - $1) / max(1, abs($1)) }.max() ?? 0
            if o.shape != e.shape || !(Double(worst) <= example.tolerance) { print("WRONG", type.schema.name, example.name, worst, o.shape) }
          }
        }
      } catch { print("WRONG", type.schema.name, example.name, error) }
    }
  }
}
