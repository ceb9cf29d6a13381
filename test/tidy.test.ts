/** The code's own rules: DESIGN.md §4. Each gate is shown to fail on a planted fault before it judges the tree. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parse } from '@babel/parser'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')

interface Source { readonly path: string; readonly text: string }

const sources: readonly Source[] = ['src', 'seed', 'bench'].flatMap((dir) => filesBelow(join(root, dir)))

function filesBelow(dir: string): readonly Source[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: relative(root, path), text: readFileSync(path, 'utf8') }))
}

/** Folder → folders (or files) that it may import from, itself included. Anything else, and any way up, is a fault. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  main: ['runtime', 'serve'],
  runtime: [],
  config: [],
  cli: ['cli', 'runtime', 'serve', 'system', 'token-doubts', 'stores', 'backup', 'moving', 'config', 'model'],
  http: ['http', 'oauth', 'fhir', 'audit', 'model'],
  oauth: ['oauth', 'audit', 'policy/scope', 'store/ports', 'crypto', 'model'],
  fhir: ['fhir', 'audit', 'policy', 'search', 'store/ports', 'store/staged-store', 'model'],
  audit: ['audit', 'search', 'store/ports', 'crypto', 'model'],
  policy: ['policy', 'store/ports', 'store/staged-store', 'store/reach', 'search', 'model'],
  store: ['store', 'search', 'crypto', 'model'],
  search: ['search', 'model'],
  crypto: ['crypto', 'model'],
  model: ['model']
}

const COMPOSITION = ['system', 'stores', 'serve', 'workers', 'news', 'moving', 'backup', 'copy-record', 'restore-mark', 'bulk', 'bulk-messages', 'bulk-thread', 'priority', 'token-doubts']

function importsOf(source: Source): readonly { readonly from: string; readonly local: string | null }[] {
  const names: string[] = []
  walk(treeOf(source), (node) => {
    if (!/^(Import|ExportNamed|ExportAll)Declaration$/.test(String(node.type))) return
    const from = node.source as { value: string } | null
    if (from !== null && from !== undefined) names.push(from.value)
  })
  const dynamic = [...source.text.matchAll(/(?:import\(|new URL\()\s*'(\.[^']+)'/g)].map((found) => found[1]!)
  return [...names, ...dynamic].map((from) => ({ from, local: from.startsWith('.') ? relative(root, join(root, source.path, '..', from)) : null }))
}

const treeOf = ({ text }: Source): unknown => parse(text, { sourceType: 'module', plugins: ['typescript'] }).program

function upwardImports(files: readonly Source[]): readonly string[] {
  return files.filter(({ path }) => path.startsWith('src/')).flatMap((file) => {
    const stage = file.path.split('/')[1]!.replace('.ts', '')
    const may = MAY_IMPORT[stage]
    // The demo generates and loads its patients by the same code as `npm run seed`.
    const seeds = stage === 'cli'
    // The composition root and what starts it see everything; nothing below may look up at them.
    if (COMPOSITION.includes(stage)) return []
    if (may === undefined) return [`${file.path}: not in the layout`]
    return importsOf(file).flatMap(({ local }) => {
      if (local === null) return []
      const target = local.replace(/^src\//, '').replace(/\.ts$/, '')
      if (seeds && local.startsWith('seed/')) return []
      const fine = local.startsWith('src/') && may.some((allowed) => target === allowed || target.startsWith(`${allowed}/`))
      const policyOnlyFromHandle = stage === 'fhir' && target.startsWith('policy/') && file.path !== 'src/fhir/handle.ts'
      return fine && !policyOnlyFromHandle ? [] : [`${file.path} imports ${local}`]
    })
  })
}

function foreignImports(files: readonly Source[]): readonly string[] {
  const owners: Readonly<Record<string, RegExp>> = { express: /^src\/http\/|^bench\//, mongodb: /^src\/store\/adapters\/mongodb/, 'node:sqlite': /^src\/store\/adapters\/sqlite/ }
  return files.flatMap((file) => importsOf(file).flatMap(({ from }) => (owners[from] !== undefined && !owners[from].test(file.path) ? [`${file.path} imports ${from}`] : [])))
}

function cycles(files: readonly Source[]): readonly string[] {
  const graph = new Map(files.map((file) => [file.path, importsOf(file).flatMap(({ local }) => (local === null ? [] : [local]))]))
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
    if (done.has(path) || trail.includes(path)) return
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return found
}

const longFiles = (files: readonly Source[]): readonly string[] =>
  files.filter(({ text }) => text.split('\n').length - 1 > 300).map(({ path, text }) => `${path}: ${text.split('\n').length - 1} lines`)

function longFunctions(files: readonly Source[]): readonly string[] {
  return files.flatMap(({ path, text }) => {
    const found: string[] = []
    walk(treeOf({ path, text }), (node) => {
      if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression|ObjectMethod|ClassMethod|ClassPrivateMethod)$/.test(String(node.type))) return
      const lines = text.slice(Number(node.start), Number(node.end)).split('\n').length
      if (lines > 70) found.push(`${path}: a function of ${lines} lines`)
    })
    return found
  })
}

function walk(node: unknown, visit: (node: Record<string, unknown>) => void): void {
  if (Array.isArray(node)) for (const item of node) walk(item, visit)
  else if (typeof node === 'object' && node !== null) {
    const record = node as Record<string, unknown>
    if (typeof record.type === 'string') visit(record)
    for (const value of Object.values(record)) walk(value, visit)
  }
}

function looseTypes(files: readonly Source[]): readonly string[] {
  return files.flatMap(({ path, text }) => {
    const found: string[] = []
    walk(treeOf({ path, text }), (node) => {
      if (node.type === 'TSAnyKeyword') found.push(`${path}: any`)
      if (node.type === 'ExportDefaultDeclaration') found.push(`${path}: a default export`)
      if (node.type === 'TSEnumDeclaration' || node.type === 'TSModuleDeclaration') found.push(`${path}: ${node.type}`)
    })
    if (/@ts-(ignore|expect-error|nocheck)/.test(text)) found.push(`${path}: a silenced type error`)
    return found
  })
}

const emptyNames = (files: readonly Source[]): readonly string[] =>
  files.filter(({ path }) => /(manager|helper|util|service|common)s?[./-]/i.test(path) || !/^[a-z0-9/.-]+$/.test(path)).map(({ path }) => path)

const environmentReads = (files: readonly Source[]): readonly string[] =>
  files.filter(({ path, text }) => path.startsWith('src/') && path !== 'src/config.ts' && /process\.env/.test(text)).map(({ path }) => path)

const planted = (path: string, text: string): readonly Source[] => [{ path, text }]

describe('the tree keeps DESIGN.md §4', () => {
  const gates: readonly (readonly [string, (files: readonly Source[]) => readonly string[], readonly Source[]])[] = [
    ['imports point down', upwardImports, planted('src/search/bad.ts', "import { x } from '../policy/guard.ts'\nexport const y = x\n")],
    ['only handle.ts of fhir/ knows policies', upwardImports, planted('src/fhir/bad.ts', "import { x } from '../policy/guard.ts'\nexport const y = x\n")],
    ['engines and Express stay in their folders', foreignImports, planted('src/fhir/bad.ts', "import express from 'express'\nexport const y = express\n")],
    ['no import cycles', cycles, [{ path: 'src/model/a.ts', text: "import { b } from './b.ts'\nexport const a = b\n" }, { path: 'src/model/b.ts', text: "import { a } from './a.ts'\nexport const b = a\n" }]],
    ['files have at most 300 lines', longFiles, planted('src/model/bad.ts', 'const a = 1\n'.repeat(301))],
    ['functions have at most 70 lines', longFunctions, planted('src/model/bad.ts', `export function f() {\n${'  f()\n'.repeat(70)}}\n`)],
    ['no any, no default export, no enum, no silenced error', looseTypes, planted('src/model/bad.ts', 'export const a: any = 1\n')],
    ['names say something', emptyNames, planted('src/model/string-utils.ts', '')],
    ['only config.ts reads the environment', environmentReads, planted('src/http/bad.ts', 'export const a = process.env.A\n')]
  ]
  for (const [title, gate, fault] of gates) {
    test(`${title} (a planted fault is found)`, () => expect(gate(fault)).not.toEqual([]))
    test(title, () => expect(gate(sources)).toEqual([]))
  }
})
