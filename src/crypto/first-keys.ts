import { createSecretKey } from 'node:crypto'
import { CLASS_KINDS, makeDataKey } from './data-keys.ts'
import { KeysBroken } from './errors.ts'
import { makeRoot, readRoot, rootDocument, tenantKeys, type RootPlace } from './root-keys.ts'

/** The store's root keys, made where there are none. Of processes that start at once on an empty store, one wins. */
export async function openRoots(place: RootPlace) {
  let [branch, index] = await readRoots(place)
  if (branch === undefined || index === undefined) {
    // Only one of them may mean that another process made them between the two reads.
    if (branch === index) await firstKeys(place)
    ;[branch, index] = await readRoots(place)
  }
  if (branch === undefined || index === undefined) throw new KeysBroken('The keys of this store are incomplete')
  return { branch, index }
}

const readRoots = (place: RootPlace) => Promise.all([readRoot(place, 'branch'), readRoot(place, 'index')])

async function firstKeys(options: RootPlace): Promise<void> {
  const [branch, index] = [await makeRoot(options, 'branch'), await makeRoot(options, 'index')]
  const place = { branch: createSecretKey(branch.secret), tenant: options.tenant, names: tenantKeys(index.secret).document }
  const classes = CLASS_KINDS.map((name) => makeDataKey(place, { kind: 'class', name }).document)
  // False means that another process was first; its keys are read next, and these are forgotten.
  await options.documents.put([
    { name: rootDocument(options.tenant, 'branch'), expect: 0, sealed: branch.document },
    { name: rootDocument(options.tenant, 'index'), expect: 0, sealed: index.document },
    ...classes.map((document) => ({ ...document, expect: 0 }))
  ])
  branch.secret.fill(0)
  index.secret.fill(0)
}
