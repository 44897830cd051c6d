// Which of the package's own types the signatures of its exports name.

import ts from "typescript";

export interface PublicTypes {
  /** Names that the entries export. */
  readonly exported: readonly string[];
  /** Declared in the package and named by a public signature, directly or through another type, but not exported. */
  readonly hidden: readonly string[];
  /** Exports whose declaration has no doc comment. */
  readonly undocumented: readonly string[];
}

/**
 * @param root the entry's declarations, index.d.ts; what it exports counts for the entries of subpaths (*Entry.d.ts), which
 *   are looked at as well
 */
export function publicTypes(program: ts.Program, root: ts.SourceFile): PublicTypes {
  const checker = program.getTypeChecker();
  const entries = program
    .getSourceFiles()
    .filter((file) => file === root || /\/dist\/\w+Entry\.d\.ts$/.test(file.fileName));
  const home = root.fileName.slice(0, root.fileName.lastIndexOf("/") + 1);
  const target = (symbol: ts.Symbol): ts.Symbol =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const exports = entries.flatMap((file) =>
    checker.getExportsOfModule(checker.getSymbolAtLocation(file)!),
  );
  const known = new Set(exports.map(target));
  const hidden = new Set<string>();
  const seen = new Set<ts.Symbol>();
  const visit = (symbol: ts.Symbol): void => {
    if (seen.has(symbol)) return;
    seen.add(symbol);
    for (const declaration of symbol.declarations ?? []) {
      const file = declaration.getSourceFile().fileName;
      if (!file.startsWith(home)) continue;
      if (!known.has(symbol)) hidden.add(`${symbol.name} (${file.slice(home.length)})`);
      for (const named of namesIn(declaration)) {
        const found = checker.getSymbolAtLocation(named);
        if (found && !isTypeParameter(found)) visit(target(found));
      }
    }
  };
  known.forEach(visit);
  return {
    exported: exports.map((symbol) => symbol.name),
    hidden: [...hidden].sort(),
    undocumented: exports
      .filter((symbol) => target(symbol).getDocumentationComment(checker).length === 0)
      .map((symbol) => symbol.name),
  };
}

const isTypeParameter = (symbol: ts.Symbol): boolean =>
  (symbol.flags & ts.SymbolFlags.TypeParameter) !== 0;

/** The names of types inside a declaration: `Name`, `extends Name`. Not `typeof NAME`, which stands for its members. */
function namesIn(declaration: ts.Node): ts.Node[] {
  const names: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isTypeReferenceNode(node)) names.push(node.typeName);
    else if (ts.isExpressionWithTypeArguments(node)) names.push(node.expression);
    else if (ts.isImportTypeNode(node) && node.qualifier) names.push(node.qualifier);
    ts.forEachChild(node, visit);
  };
  visit(declaration);
  return names;
}
