export const VALUE = { 'left' : "right" }
