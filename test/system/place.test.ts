import { expect, test } from 'vitest'
import { placeOfStore } from '../../src/copy-record.ts'

test('a store is named on record without user, password and options, however they are written', () => {
  const named = (url: string): string => placeOfStore({ store: { kind: 'mongodb', url } })
  expect(placeOfStore({ store: { kind: 'sqlite', path: '/srv/a@b/wardkeep.db' } })).toBe('sqlite:/srv/a@b/wardkeep.db')
  for (const url of ['mongodb://h1:27017,h2/clinic?replicaSet=rs0', 'mongodb+srv://h1:27017,h2/clinic', 'mongodb://user:secret@h1:27017,h2/clinic?tls=true', 'mongodb://us@er:sec/re?t@h1:27017,h2/clinic'])
    expect(named(url)).toBe('mongodb://h1:27017,h2/clinic')
  expect(named('mongodb://user:secret@h1/clinic?appName=a@b')).not.toContain('secret')
})
