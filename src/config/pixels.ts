/** Pixel formats that the native side reads. */
export const pixelFormats = ['BayerRG8', 'BayerGB8', 'BayerGR8', 'BayerBG8', 'RGB8', 'BGR8', 'Mono8'] as const;
