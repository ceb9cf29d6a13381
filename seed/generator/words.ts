/** Made-up names. The numbers behind them, as in Synthea, show that nobody is meant. */
export const GIVEN_FEMALE = [
  'Alma', 'Beatriz', 'Carla', 'Dagny', 'Elif', 'Fiona', 'Greta', 'Hanna', 'Ines', 'Jolanta', 'Katya', 'Leonie', 'Maeve', 'Noor', 'Oona',
  'Paloma',
  'Renée', 'Saoirse', 'Tamsin', 'Ursa', 'Verena', 'Wanda', 'Yara', 'Zofia', 'Marie-Ève', 'Ngozi'
] as const

export const GIVEN_MALE = [
  'Aldo', 'Bastian', 'Cyril', 'Dario', 'Emeka', 'Faisal', 'Gustav', 'Hugo', 'Ivo', 'Jonas', 'Kenji', 'Lars', 'Mateo', 'Nils', 'Otis',
  'Piotr',
  'Quentin', 'Rafael', 'Søren', 'Tomás', 'Ulrich', 'Viktor', 'Wim', 'Yusuf', 'Zeno', 'Jean-Luc'
] as const

export const FAMILY = [
  'Abernethy', 'Bergqvist', 'Castellan', 'Dunmore', 'Eriksen', 'Falkner', 'Garrow', 'Hollis', 'Ibarra', 'Jansson', 'Kowal', 'Lindqvist',
  'Marlowe',
  'Núñez', 'O’Rourke', 'Pellegrin', 'Quill', 'Rosing', 'Stavros', 'Tremblay', 'Umarov', 'Vasquez', 'Whitlock', 'Ximenes', 'Yilmaz',
  'Zeller',
  'de la Cruz', 'van Houten', 'Müller', 'Okonkwo', 'Ødegaard', "D'Angelo"
] as const

export const STREETS = ['Alder', 'Birch', 'Canal', 'Dover', 'Elm', 'Foundry', 'Granite', 'Harbor', 'Indigo', 'Juniper', 'Kestrel',
  'Lantern'] as const
export const STREET_KINDS = ['Street', 'Lane', 'Avenue', 'Court', 'Road', 'Terrace'] as const

/** City, postal code, latitude, longitude. */
export const CITIES = [
  ['Boston', '02131', 42.33, -71.06], ['Worcester', '01602', 42.27, -71.80], ['Springfield', '01103', 42.10, -72.59],
  ['Lowell', '01850', 42.64, -71.31],
  ['Cambridge', '02139', 42.37, -71.11], ['Quincy', '02169', 42.25, -71.00], ['Fitchburg', '01420', 42.58, -71.80],
  ['Salem', '01970', 42.52, -70.90]
] as const

export const CLINIC_KINDS = ['Family Practice', 'Community Health Center', 'Outpatient Clinic', 'General Hospital', 'Medical Center',
  'Urgent Care'] as const
export const PAYERS = ['Medicare', 'Medicaid', 'Harborlight Health', 'Commonwealth Mutual', 'Blue Granite', 'NO_INSURANCE'] as const
export const COMPLAINTS = ['Cough', 'Headache', 'Sore throat', 'Back pain', 'Fatigue', 'Shortness of breath', 'Joint pain',
  'No complaints'] as const

/** OMB race category, ethnicity category and language, by share. */
export const RACES = [['2106-3', 'White'], ['2106-3', 'White'], ['2106-3', 'White'], ['2054-5', 'Black or African American'],
  ['2028-9', 'Asian'], ['2131-1', 'Other Race']] as const
export const LANGUAGES = [
  ['en-US', 'English (United States)'], ['en-US', 'English (United States)'], ['en-US', 'English (United States)'], ['es', 'Spanish'],
  ['pt', 'Portuguese'], ['zh', 'Chinese']
] as const
