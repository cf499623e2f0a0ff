"""Reader study: can people who read breast ultrasound tell synthetic pictures from real ones?"""
